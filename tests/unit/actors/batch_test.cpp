#include "actors/batch.hpp"
#include "messages/requests.hpp"
#include "tests/support/catch.hpp"

#include <future>

using namespace gemel;

TEST_CASE("a batch answers when its last part is closed, and once", "[unit][actors]") {
  int answers = 0;
  outcome got;
  batch_ptr of{new batch{make_stats_request(), 42, [&](outcome&& what) {
                           ++answers;
                           got = std::move(what);
                         }}};
  CHECK(of->submitted_ns() == 42);
  of->ids() = {"a", "b", "c", "d"};
  of->open_part();
  of->open_part();
  of->fail(3, {errc::twin_exists, "d"});
  of->close_part(2);
  of->close_part(0);
  CHECK(answers == 0);
  of->fail(1, {errc::bad_name, "b"});
  of->close_part(0);
  REQUIRE(answers == 1);
  CHECK(got.applied == 2);
  REQUIRE(got.failures.size() == 2);
  CHECK(got.failures[0] == failure{1, {errc::bad_name, "b"}});
  CHECK(got.failures[1] == failure{3, {errc::twin_exists, "d"}});
  CHECK(got.ids == std::vector<std::string>{"a", "b", "c", "d"});
}

TEST_CASE("a batch that nobody waits for ends in silence", "[unit][actors]") {
  batch_ptr of{new batch{make_stats_request(), 0, {}}};
  of->fail(0, {errc::overloaded, {}});
  of->close_part(0);
  CHECK(of->use_count() == 1);
}

TEST_CASE("a batch sums what many threads did", "[unit][actors]") {
  outcome got;
  batch_ptr of{new batch{make_stats_request(), 0, [&](outcome&& what) { got = std::move(what); }}};
  for (int i = 0; i < 400; ++i)
    of->open_part();
  auto work = [of](std::uint32_t first) {
    for (std::uint32_t i = 0; i < 100; ++i) {
      of->fail(first + i, {errc::overloaded, {}});
      of->close_part(2);
    }
  };
  std::vector<std::future<void>> all;
  for (std::uint32_t t = 0; t < 4; ++t)
    all.push_back(std::async(std::launch::async, work, t * 100));
  for (auto& one : all)
    one.get();
  of->close_part(0);
  CHECK(got.applied == 800);
  REQUIRE(got.failures.size() == 400);
  for (std::uint32_t i = 0; i < 400; ++i)
    CHECK(got.failures[i].index == i);
}

TEST_CASE("a batch that was not stored fails in all that was not refused already",
          "[unit][actors]") {
  std::vector<new_twin> twins(3);
  std::optional<outcome> seen;
  batch_ptr of{new batch{make_create(twins), 0, [&](outcome&& what) { seen = std::move(what); }}};
  of->routes() = {{0}, {1}, {2}};
  of->open_part();
  of->fail(1, {errc::twin_exists, "b"});
  of->close_part(2);
  of->spoil({errc::store_failed, "the disk"});
  of->close_part(0);
  REQUIRE(seen);
  CHECK(seen->applied == 0);
  REQUIRE(seen->failures.size() == 3);
  CHECK(seen->failures[0].why.code == errc::store_failed);
  CHECK(seen->failures[1].why.code == errc::twin_exists);
  CHECK(seen->failures[2].why.code == errc::store_failed);
}
