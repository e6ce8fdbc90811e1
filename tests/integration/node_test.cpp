// A real node on CAF's workers, used as an embedding program would.

#include "runtime/gemel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/small_node.hpp"

#include <atomic>
#include <future>

using namespace gemel;

TEST_CASE("a node creates, updates, reads and deletes twins", "[integration][runtime]") {
  auto in = start_small_node();
  auto hall = in->create({.type = "hall", .properties = {{"name", "Hall 3"}}});
  REQUIRE(hall);
  auto made = in->create(
      {.id = "press-7", .type = "machine", .parent = *hall, .properties = {{"temperature", 68.5}}});
  REQUIRE(made);
  CHECK(*made == "press-7");
  REQUIRE(in->update("press-7", {{"temperature", 71.0}, {"status", "cutting"}}));
  auto read = in->get("press-7");
  REQUIRE(read);
  CHECK(read->version == 3);
  CHECK(*read->find("temperature") == value{71.0});
  CHECK(read->path == "/" + *hall + "/press-7");
  CHECK(in->get(read->path)->id == "press-7");
  CHECK(in->get("/press-7").error().code == errc::twin_not_found);
  CHECK(in->remove(*hall).error().code == errc::has_children);
  REQUIRE(in->remove(*hall, child_policy::cascade));
  CHECK(in->get("press-7").error().code == errc::twin_not_found);
}

TEST_CASE("of twenty writers that expect one version exactly one wins", "[integration][runtime]") {
  auto in = start_small_node();
  REQUIRE(in->create({.id = "t", .type = "counter", .properties = {{"n", 0}}}));
  std::vector<std::future<result<void>>> writers;
  std::vector<std::promise<result<void>>> answers(20);
  for (int i = 0; i < 20; ++i) {
    twin_update change{.id = "t", .set = {{"n", i + 1}}, .if_version = 1};
    auto& answer = answers[static_cast<std::size_t>(i)];
    writers.push_back(answer.get_future());
    in->request(make_update(std::span{&change, 1}), [&answer](frame reply) {
      auto what = expect_outcome(reply);
      answer.set_value(what && what->applied == 1
                           ? result<void>{}
                           : fail(what ? what->failures.at(0).why.code : what.error().code));
    });
  }
  int won = 0;
  for (auto& writer : writers) {
    auto answer = writer.get();
    won += answer.has_value();
    if (!answer)
      CHECK(answer.error().code == errc::precondition_failed);
  }
  CHECK(won == 1);
}

TEST_CASE("a subscriber gets old and new values of what it asked for", "[integration][runtime]") {
  auto in = start_small_node();
  for (int i = 0; i < 10; ++i)
    REQUIRE(in->create(
        {.id = "m" + std::to_string(i), .type = "machine", .properties = {{"temperature", 60.0}}}));
  std::promise<twin_event> got;
  std::atomic<int> calls{0};
  auto subscribed =
      in->subscribe({.type = "machine", .where = "temperature > 85"}, [&](const event_batch& b) {
        if (calls.fetch_add(1) == 0)
          got.set_value(b[0].record());
      });
  REQUIRE(subscribed);
  REQUIRE(in->update("m1", {{"temperature", 80.0}}));
  REQUIRE(in->update("m4", {{"temperature", 90.5}}));
  auto event = got.get_future().get();
  CHECK(event.id == "m4");
  CHECK(event.kind == event_kind::updated);
  REQUIRE(event.find("temperature") != nullptr);
  CHECK(event.find("temperature")->old_value == value{60.0});
  CHECK(event.find("temperature")->new_value == value{90.5});
  REQUIRE(in->unsubscribe(*subscribed));
  REQUIRE(in->update("m5", {{"temperature", 99.0}}));
  in->stop();
  CHECK(calls == 1);
}

TEST_CASE("queries see every acknowledged write and page over all cells",
          "[integration][runtime]") {
  auto in = start_small_node();
  std::vector<new_twin> twins;
  for (int i = 0; i < 1'000; ++i)
    twins.push_back({.id = "m" + std::to_string(i),
                     .type = "machine",
                     .properties = {{"temperature", 50.0 + i % 50}}});
  auto made = in->create(twins);
  REQUIRE(made);
  CHECK(made->applied == 1'000);
  CHECK(in->count({.type = "machine", .where = "temperature >= 90"}).value() == 200);
  auto all = in->query_all(
      {.type = "machine", .where = "temperature >= 90", .order_by = "temperature", .limit = 7});
  REQUIRE(all);
  CHECK(all->size() == 200);
  CHECK(std::is_sorted(all->begin(), all->end(), [](const auto& a, const auto& b) {
    return a.find("temperature")->as_real() < b.find("temperature")->as_real();
  }));
  CHECK(in->query({.where = "temperature >"}).error().code == errc::bad_syntax);
  auto stats = in->stats();
  REQUIRE(stats);
  CHECK(stats->counters.at(0).name == "gemel_twins");
  CHECK(stats->counters.at(0).number == 1'000);
}

TEST_CASE("a stopped node refuses requests and can be stopped twice", "[integration][runtime]") {
  auto in = start_small_node();
  REQUIRE(in->create({.id = "t", .type = "x"}));
  in->stop();
  in->stop();
  CHECK(in->get("t").error().code == errc::stopping);
  CHECK(in->create({.type = "x"}).error().code == errc::stopping);
  CHECK(in->subscribe({}, [](const event_batch&) {}).error().code == errc::stopping);
}

TEST_CASE("a client does all that a node does, over a link", "[integration][runtime]") {
  node_options wanted;
  wanted.config.node.workers = 2;
  wanted.config.listen.port = 0;
  wanted.listen = true;
  auto in = node::start(std::move(wanted));
  REQUIRE(in);
  auto far = client::connect((*in)->endpoint());
  REQUIRE(far);
  CHECK((*far)->node_id() == "node-1");
  auto id = (*far)->create({.type = "machine", .properties = {{"temperature", 68.5}}});
  REQUIRE(id);
  std::promise<std::string> seen;
  auto subscribed = (*far)->subscribe(
      {.ids = {*id}}, [&](const event_batch& b) { seen.set_value(std::string{b[0].id()}); });
  REQUIRE(subscribed);
  REQUIRE((*far)->update(*id, {{"temperature", std::numeric_limits<double>::infinity()}}));
  CHECK(seen.get_future().get() == *id);
  CHECK((*in)->get(*id)->find("temperature")->as_real() == std::numeric_limits<double>::infinity());
  CHECK((*far)->update("none", {{"a", 1}}).error().code == errc::twin_not_found);
  CHECK((*far)->update("bad/id", {{"a", 1}}).error().code == errc::bad_name);
  std::promise<void> lost;
  (*far)->on_lost([&] { lost.set_value(); });
  (*in)->stop();
  lost.get_future().get();
  CHECK((*far)->get(*id).error().code == errc::unreachable);
}

TEST_CASE("connecting to nothing or to a bad endpoint says so", "[integration][runtime]") {
  CHECK(client::connect("127.0.0.1:1").error().code == errc::unreachable);
  CHECK(client::connect("").error().code == errc::bad_value);
  CHECK(client::connect("host:").error().code == errc::bad_value);
  CHECK(client::connect("host:99999").error().code == errc::bad_value);
  CHECK(client::connect("[::1").error().code == errc::bad_value);
}
