// A node on a disk that fills up, fails, or loses what was not synced. What was acknowledged as on
// the disk is there again, writes are refused by name, and reads go on.

#include "runtime/adapters/rocks_store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/faulty_files.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"
#include "tests/support/temporary_folder.hpp"

#include <map>
#include <memory>
#include <random>
#include <thread>

using namespace gemel;
using namespace gemel::test;

namespace {

// A node with a real store on files that break as told.
class node_on_disk {
public:
  explicit node_on_disk(std::uint64_t seed = 1, bool after_loss = false) : seed_{seed} {
    open(after_loss);
  }
  ~node_on_disk() { close(); }

  void open(bool after_loss = false) {
    rocks_store::options with;
    with.path = folder_.file("store");
    with.files = files;
    with.ballast_bytes = std::uint64_t{4} << 20;
    with.room_check = std::chrono::milliseconds{2};
    with.after_loss = after_loss;
    auto opened = rocks_store::open(std::move(with));
    if (!opened)
      FAIL(to_string(opened.error()));
    store = std::move(*opened);
    simulated_node::options wanted;
    wanted.seed = seed_;
    wanted.cells = 3;
    wanted.real_store = store.get();
    wanted.snapshot_pass_bytes = 1 << 10;
    node = std::make_unique<simulated_node>(std::move(wanted));
    node->run();
  }
  void close() {
    if (store != nullptr)
      store->stop();
    node.reset();
    store.reset();
  }

  errc set(const std::string& id, std::int64_t number, durability level = durability::disk) {
    auto answer = send(id, number, level);
    node->run();
    auto done = expect_outcome(answer->value());
    return done->failures.empty() ? errc::none : done->failures[0].why.code;
  }
  pending send(const std::string& id, std::int64_t number, durability level) {
    twin_update made;
    made.id = id;
    made.set = {{"n", value{number}}};
    update_options how;
    how.wanted = level;
    return node->submit(make_update(std::vector<twin_update>{made}, how));
  }
  void create(const std::string& id) {
    new_twin made;
    made.id = id;
    made.type = "machine";
    REQUIRE(node->create({made}).applied == 1);
  }
  std::int64_t number_of(const std::string& id) {
    auto twin = node->find(id);
    const auto* number = twin ? twin->find("n") : nullptr;
    return number != nullptr ? number->as_integer() : -1;
  }

  std::shared_ptr<faulty_files> files = std::make_shared<faulty_files>();
  std::unique_ptr<rocks_store> store;
  std::unique_ptr<simulated_node> node;

private:
  temporary_folder folder_;
  std::uint64_t seed_;
};

} // namespace

TEST_CASE("a node whose disk does not sync any more refuses writes until it is started anew",
          "[fault][actors][store]") {
  node_on_disk on;
  on.create("press-1");
  CHECK(on.set("press-1", 1) == errc::none);
  on.files->syncs_fail = true;
  CHECK(on.set("press-1", 2) == errc::store_failed);
  on.files->syncs_fail = false;
  CHECK(on.set("press-1", 3, durability::process) == errc::store_failed);
  CHECK(on.set("press-1", 3, durability::memory) == errc::store_failed);
  CHECK(on.number_of("press-1") == 2); // applied, and nobody was told that it is stored
  CHECK(on.node->broken_invariants() == std::vector<std::string>{});
  on.close();
  on.open();
  CHECK(on.number_of("press-1") >= 1);
  CHECK(on.set("press-1", 4) == errc::none);
}

TEST_CASE("a node whose disk takes no writes says so, and reads go on", "[fault][actors][store]") {
  node_on_disk on;
  on.create("press-1");
  CHECK(on.set("press-1", 1, durability::process) == errc::none);
  on.files->writes_fail = true;
  CHECK(on.set("press-1", 2, durability::process) == errc::store_failed);
  CHECK(on.set("press-1", 3, durability::process) == errc::store_failed);
  CHECK(on.node->query_all({}).size() == 1);
  on.files->writes_fail = false;
  on.close();
  on.open();
  CHECK(on.number_of("press-1") == 1);
}

TEST_CASE("a node on a full disk takes writes again when there is room", "[fault][actors][store]") {
  node_on_disk on;
  on.create("press-1");
  CHECK(on.set("press-1", 1) == errc::none);
  on.files->room = std::int64_t{3} << 20;
  // The first one is let in before anybody looked.
  auto why = errc::none;
  for (std::int64_t i = 2; i < 100 && why == errc::none; ++i)
    why = on.set("press-1", i);
  CHECK(why == errc::store_full);
  CHECK(on.number_of("press-1") >= 1);
  on.files->room = -1;
  for (int tries = 0; tries < 10'000 && why == errc::store_full; ++tries) {
    why = on.set("press-1", 1'000);
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  CHECK(why == errc::none);
  on.close();
  on.open();
  CHECK(on.number_of("press-1") == 1'000);
}

TEST_CASE("no write that was acknowledged as on the disk goes with the power",
          "[fault][actors][store]") {
  auto seed = test::seed();
  INFO(repeat_command(seed));
  std::mt19937_64 random{seed};
  node_on_disk on{seed};
  constexpr std::size_t twins = 6;
  struct known {
    std::int64_t sent = 0;
    std::int64_t acknowledged = 0;
  };
  std::map<std::string, known> ledger;
  for (std::size_t i = 0; i < twins; ++i) {
    auto id = "press-" + std::to_string(i);
    on.create(id);
    CHECK(on.set(id, 0) == errc::none);
    ledger[id] = {};
  }
  for (int life = 0; life < 12; ++life) {
    std::vector<std::pair<std::string, pending>> open;
    std::vector<std::int64_t> numbers;
    auto writes = random() % 80;
    auto dies_at = random() % (writes + 1);
    for (std::size_t i = 0; i < writes; ++i) {
      if (i == dies_at)
        on.files->dead = true;
      auto id = "press-" + std::to_string(random() % twins);
      auto number = ++ledger[id].sent;
      auto level = random() % 2 == 0 ? durability::disk : durability::process;
      auto answer = on.send(id, number, level);
      on.node->step(random() % 6);
      if (level == durability::disk) {
        open.emplace_back(id, answer);
        numbers.push_back(number);
      }
    }
    on.files->dead = true;
    on.node->run();
    for (std::size_t i = 0; i < open.size(); ++i)
      if (expect_outcome(open[i].second->value())->failures.empty())
        ledger[open[i].first].acknowledged =
            std::max(ledger[open[i].first].acknowledged, numbers[i]);
    on.close();
    on.files->lose_power(random());
    on.open();
    for (auto& [id, twin] : ledger) {
      auto number = on.number_of(id);
      INFO(id << " shows " << number << ", acknowledged " << twin.acknowledged << ", sent "
              << twin.sent);
      CHECK(number >= twin.acknowledged);
      CHECK(number <= twin.sent);
      twin.acknowledged = number;
    }
    CHECK(on.node->broken_invariants() == std::vector<std::string>{});
  }
}
