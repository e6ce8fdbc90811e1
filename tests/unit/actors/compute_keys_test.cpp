#include "actors/compute_keys.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

struct answers {
  std::vector<result<value>> all{};
  compute_keys::done_function take() {
    return [this](result<value> one) { all.push_back(std::move(one)); };
  }
};

} // namespace

TEST_CASE("calls with one key are made once and all are answered", "[unit][actors]") {
  compute_keys aut{{.keep_ms = 100}};
  answers heard;
  CHECK(aut.begin("k", 1, heard.take(), 0));
  CHECK(!aut.begin("k", 1, heard.take(), 1));
  CHECK(heard.all.empty());
  aut.finished("k", value{7}, 10);
  REQUIRE(heard.all.size() == 2);
  CHECK(!aut.begin("k", 1, heard.take(), 50));
  REQUIRE(heard.all.size() == 3);
  CHECK(heard.all.back() == result<value>{value{7}});
  CHECK(!aut.begin("k", 2, heard.take(), 50)); // Another call under the same key.
  CHECK(heard.all.back().error().code == errc::precondition_failed);
  CHECK(aut.begin("k", 1, heard.take(), 110)); // Long ago.
}

TEST_CASE("a call that failed may be tried again, and waiters are bounded", "[unit][actors]") {
  compute_keys aut{{.results_max = 2, .waiters_max = 2}};
  answers heard;
  CHECK(aut.begin("k", 1, heard.take(), 0));
  CHECK(!aut.begin("k", 1, heard.take(), 0));
  CHECK(!aut.begin("k", 1, heard.take(), 0));
  REQUIRE(heard.all.size() == 1);
  CHECK(heard.all[0].error().code == errc::overloaded);
  aut.finished("k", fail(errc::command_failed, "no"), 1);
  CHECK(heard.all.size() == 3);
  CHECK(aut.begin("k", 1, heard.take(), 2));
  for (const auto* key : {"a", "b", "c"}) {
    CHECK(aut.begin(key, 1, heard.take(), 3));
    aut.finished(key, value{1}, 3);
  }
  CHECK(aut.size() == 3); // Two results, and `k` under way.
}
