// Rules of a real node whose process is killed at any moment.

#include "runtime/client.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temporary_folder.hpp"

#include <signal.h>

#include <chrono>
#include <memory>
#include <random>
#include <thread>

namespace gemel {

namespace {

class killed_node {
public:
  explicit killed_node(const std::string& folder) : folder_{folder} { start(); }

  client& api() { return *client_; }

  // Ends the process at once, and begins anew.
  void kill() {
    process_->signal(SIGKILL);
    client_.reset();
    static_cast<void>(process_->finish());
    start();
  }

private:
  void start() {
    process_ = std::make_unique<test::process>(
        std::vector<std::string>{test::binary_dir() + "/bin/gemel", "node", "--set",
                                 "listen.port=0", "--set", "node.workers=2", "--data", folder_});
    auto line = process_->read_line();
    auto begin = line.find("127.0.0.1:");
    REQUIRE(begin != std::string::npos);
    auto made = client::connect(line.substr(begin, line.find(' ', begin) - begin));
    REQUIRE(made);
    client_ = std::move(*made);
  }

  std::string folder_;
  std::unique_ptr<test::process> process_;
  std::unique_ptr<client> client_;
};

constexpr const char* pairs = R"j({"rule":"pairs","from":{"twin_types":["machine"]},
  "partition_by":"twin_id",
  "pattern":{"steps":[{"name":"a","where":"n > 0"},{"name":"b","where":"n > a.n"}]},
  "after_match":{"skip":"past_last"},
  "actions":[{"update_twin":{"id":"book","set":{"last":"${b.twin_id} ${b.n}"}}}]})j";

std::uint64_t version_of_book(client& of) {
  auto found = of.get("book");
  return found ? found->version : 0;
}

} // namespace

TEST_CASE("rules find and do everything once although the node is killed", "[integration][rules]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  test::temporary_folder folder;
  killed_node node{folder.path()};
  REQUIRE(node.api().create(new_twin{.id = "book", .type = "book"}));
  for (int i = 0; i < 3; ++i)
    REQUIRE(node.api().create(new_twin{.id = "m" + std::to_string(i), .type = "machine"}));
  REQUIRE(node.api().call({"rules", "add", value{value_map{{"document", value{pairs}}}}}));
  auto version = version_of_book(node.api());
  std::vector<std::uint64_t> sent(3);
  constexpr int kills = 6;
  for (int i = 0; i < kills; ++i) {
    auto count = 1 + random() % 40;
    for (std::uint64_t k = 0; k < count; ++k) {
      auto which = random() % sent.size();
      auto n = value{static_cast<std::int64_t>(++sent[which])};
      REQUIRE(node.api().update("m" + std::to_string(which), {{"n", n}}));
    }
    std::this_thread::sleep_for(std::chrono::microseconds{random() % 3'000});
    node.kill();
  }
  for (auto n : sent)
    version += n / 2;
  for (int i = 0; i < 1'000 && version_of_book(node.api()) < version; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  std::this_thread::sleep_for(std::chrono::milliseconds{100}); // For what would be too much.
  CHECK(version_of_book(node.api()) == version);
}

} // namespace gemel
