// Subscriptions over real links that break.

#include "messages/requests.hpp"
#include "runtime/client.hpp"
#include "runtime/node.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"
#include "tests/support/relay.hpp"

#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

using namespace gemel;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<node> start_node() {
  node_options wanted;
  wanted.config.node.workers = 2;
  wanted.config.listen.port = 0;
  wanted.listen = true;
  auto in = node::start(std::move(wanted));
  REQUIRE(in);
  return std::move(*in);
}

std::uint16_t port_of(const node& in) {
  return static_cast<std::uint16_t>(std::stoi(in.endpoint().substr(in.endpoint().rfind(':') + 1)));
}

// What a program remembers of its events, over any number of links.
class memory {
public:
  event_callback callback() {
    return [this](const event_batch& batch) {
      std::lock_guard guard{mutex_};
      missed_ += batch.missed();
      last_ = batch.last_sequence();
      for (unsigned i = 0; i < batch.size(); ++i)
        if (auto now = batch[i].new_value("n"); now.is_integer()) {
          in_order_ = in_order_ && now.as_integer() > newest_;
          newest_ = now.as_integer();
          ++count_;
        }
      changed_.notify_all();
    };
  }
  bool wait_for(std::int64_t n) {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, 30s, [&] { return newest_ >= n; });
  }
  void lost() {
    std::lock_guard guard{mutex_};
    is_lost_ = true;
    changed_.notify_all();
  }
  bool wait_for_loss() {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, 30s, [&] { return std::exchange(is_lost_, false); });
  }
  std::uint64_t last() {
    std::lock_guard guard{mutex_};
    return last_;
  }
  std::int64_t count() {
    std::lock_guard guard{mutex_};
    return count_;
  }
  std::uint64_t missed() {
    std::lock_guard guard{mutex_};
    return missed_;
  }
  bool in_order() {
    std::lock_guard guard{mutex_};
    return in_order_;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t last_ = 0;
  std::uint64_t missed_ = 0;
  std::int64_t newest_ = 0;
  std::int64_t count_ = 0;
  bool in_order_ = true;
  bool is_lost_ = false;
};

} // namespace

TEST_CASE("a program whose link broke resumes its subscription and misses nothing",
          "[integration][runtime]") {
  auto in = start_node();
  test::relay between{port_of(*in)};
  REQUIRE(in->create({.id = "m", .type = "machine", .properties = {{"n", 0}}}));
  memory known;
  int n = 0;
  auto update = [&](int times) {
    for (int i = 0; i < times; ++i)
      REQUIRE(in->update("m", {{"n", ++n}}));
  };
  subscription_request asked;
  asked.ids = {"m"};
  asked.kinds = {event_kind::updated};
  asked.keep_ms = 60'000;
  for (int round = 0; round < 4; ++round) {
    auto far = client::connect(between.endpoint());
    REQUIRE(far);
    (*far)->on_lost([&] { known.lost(); });
    auto number = (*far)->subscribe(asked, known.callback());
    REQUIRE(number);
    asked.resume = static_cast<std::uint64_t>(*number);
    update(50);
    REQUIRE(known.wait_for(n));
    update(200); // Some of these are on their way.
    between.cut();
    REQUIRE(known.wait_for_loss());
    update(50); // Nobody is there for these.
    far->reset();
    asked.resume_after = known.last();
    between.open();
  }
  auto far = client::connect(between.endpoint());
  REQUIRE(far);
  auto number = (*far)->subscribe(asked, known.callback());
  REQUIRE(number);
  REQUIRE(known.wait_for(n));
  CHECK(known.count() == n);
  CHECK(known.in_order());
  CHECK(known.missed() == 0);
  REQUIRE((*far)->unsubscribe(*number));
  CHECK((*far)->subscribe(asked, known.callback()).error().code == errc::subscription_lost);
}

TEST_CASE("a subscriber with a rate limit gets what was held back although nothing else happens",
          "[integration][runtime]") {
  auto in = start_node();
  REQUIRE(in->create({.id = "m", .type = "machine", .properties = {{"n", 0}}}));
  memory known;
  subscription_request asked;
  asked.min_interval_ms = 100;
  REQUIRE(in->subscribe(asked, known.callback()));
  for (int n = 1; n <= 20; ++n)
    REQUIRE(in->update("m", {{"n", n}}));
  REQUIRE(known.wait_for(20));
  CHECK(known.count() < 20);
  CHECK(known.in_order());
}

TEST_CASE("an overloaded node takes it all from a program with patience",
          "[integration][runtime]") {
  node_options wanted;
  wanted.config.node.workers = 1;
  wanted.config.node.cells_per_worker = 1;
  wanted.config.limits.cell_queue_items_max = 2;
  auto in = node::start(std::move(wanted));
  REQUIRE(in);
  REQUIRE((*in)->create({.id = "m", .type = "machine"}));
  std::atomic<std::uint64_t> refused{0};
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> applied{0};
  std::atomic<std::uint64_t> failed{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        std::vector<twin_update> some;
        for (int n = 0; n < 50; ++n)
          some.push_back({.id = "m", .set = {{"k" + std::to_string(t), i * 50 + n}}});
        some.push_back({.id = "nobody"});
        auto done = (*in)->update_patiently(some);
        applied += done ? done->applied : 0;
        failed += done ? done->failures.size() : 1'000;
        if (done && (done->failures.size() != 1 || done->failures[0].index != 50))
          failed += 1'000;
        (*in)->update_async(make_update(some),
                            [&](outcome&& what) { refused += what.failures.size() > 1; });
      }
    });
  for (auto& each : threads)
    each.join();
  (*in)->stop();
  CHECK(applied == 4 * 200 * 50);
  CHECK(failed == 4 * 200);
}

TEST_CASE("watch links again when its link breaks, and goes on",
          "[integration][runtime][program]") {
  using namespace test;
  auto in = start_node();
  relay between{port_of(*in)};
  REQUIRE(in->create({.id = "m", .type = "machine", .properties = {{"n", 0}}}));
  const std::string program = test::binary_dir() + "/bin/gemel";
  process watch{{program, "twin", "watch", "--kinds", "updated", "--json", "--count", "4"},
                {},
                {"GEMEL_NODE=" + between.endpoint()}};
  watch.need_error("watching node");
  REQUIRE(in->update("m", {{"n", 1}}));
  CHECK(watch.read_line().find("\"n\"") != std::string::npos);
  between.cut();
  watch.need_error("trying again for 1m");
  for (int n = 2; n <= 4; ++n)
    REQUIRE(in->update("m", {{"n", n}}));
  between.open();
  watch.need_error("linked again to node node-1");
  auto rest = watch.finish();
  CHECK(rest.exit_code == 0);
  for (const auto* n : {": 2", ": 3", ": 4"}) {
    INFO(rest.out);
    auto at = rest.out.find(n);
    CHECK((at != std::string::npos || rest.out.find(std::string{":"} + n[2]) != std::string::npos));
  }
}

TEST_CASE("a second watch goes on where the first one was ended",
          "[integration][runtime][program]") {
  using namespace test;
  auto in = start_node();
  REQUIRE(in->create({.id = "m", .type = "machine", .properties = {{"n", 0}}}));
  const std::string program = test::binary_dir() + "/bin/gemel";
  std::vector<std::string> environment{"GEMEL_NODE=" + in->endpoint()};
  process first{{program, "twin", "watch", "--kinds", "updated", "--keep", "1m"}, {}, environment};
  first.need_error("watching node");
  REQUIRE(in->update("m", {{"n", 1}}));
  CHECK(first.read_line().find("n: 0 -> 1") != std::string::npos);
  first.signal(SIGINT);
  auto ended = first.finish();
  CHECK(ended.exit_code == 128 + SIGINT);
  auto said = ended.err.find("--resume ");
  REQUIRE(said != std::string::npos);
  auto resume = ended.err.substr(said + 9, ended.err.find('\n', said) - said - 9);
  REQUIRE(in->update("m", {{"n", 2}}));
  auto second =
      run({program, "twin", "watch", "--resume", resume, "--count", "1"}, {}, environment);
  CHECK(second.exit_code == 0);
  CHECK(second.out.find("n: 1 -> 2") != std::string::npos);
  auto third = run({program, "twin", "watch", "--resume", resume}, {}, environment);
  CHECK(third.exit_code == 1);
  CHECK(third.err.find("subscription_lost") != std::string::npos);
}

TEST_CASE("bad options of watch are named", "[integration][runtime][program]") {
  using namespace test;
  auto in = start_node();
  const std::string program = test::binary_dir() + "/bin/gemel";
  auto refused = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {program, "twin", "watch"});
    auto what = run(words, {}, {"GEMEL_NODE=" + in->endpoint()});
    CHECK(what.exit_code == 2);
    return what.err;
  };
  CHECK(refused({"--kinds", "updated,removd"}).find("'removd' is none of created, updated")
        != std::string::npos);
  CHECK(refused({"--every", "often"}).find("--every: 'often' is not a duration")
        != std::string::npos);
  CHECK(refused({"--keep", "-1s"}).find("--keep") != std::string::npos);
  CHECK(refused({"--resume", "12:x"}).find("--resume: '12:x'") != std::string::npos);
  CHECK(refused({"--where", "changed(x) and chnged(y)"}).find("did you mean 'changed'?")
        != std::string::npos);
}
