#include "actors/poison_list.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

compute_job job_with(std::int64_t input, const char* function = "f") {
  compute_job made;
  made.function = function;
  made.input.parameters = value{value_map{{"n", value{input}}}};
  made.input.twin = value{value_map{{"id", value{"m1"}}}};
  return made;
}

const result<value> failed = fail(errc::command_failed, "no");

} // namespace

TEST_CASE("an input that fails too often in a row is set aside until it is released",
          "[unit][actors]") {
  poison_list aut{{.failures_max = 3}};
  auto bad = job_with(1);
  auto mark = fingerprint_of(bad);
  CHECK(mark != fingerprint_of(job_with(2)));
  CHECK(!aut.note(bad, failed, 1));
  CHECK(!aut.note(bad, failed, 2));
  CHECK(!aut.note(bad, value{1}, 3)); // In a row, that is.
  CHECK(!aut.note(bad, failed, 4));
  CHECK(!aut.note(bad, failed, 5));
  CHECK(!aut.note(bad, fail(errc::overloaded), 5)); // Not its fault.
  CHECK(!aut.refusal(mark));
  auto made = aut.note(bad, failed, 6);
  REQUIRE(made);
  CHECK(made->twin == "m1");
  CHECK(made->failures == 3);
  REQUIRE(aut.refusal(mark));
  CHECK(aut.refusal(mark)->code == errc::limit_reached);
  CHECK(!aut.refusal(fingerprint_of(job_with(2))));
  CHECK(aut.list().size() == 1);
  CHECK(aut.release(mark));
  CHECK(!aut.release(mark));
  CHECK(!aut.refusal(mark));
  CHECK(aut.empty());
}

TEST_CASE("a changed function gets another chance", "[unit][actors]") {
  poison_list aut{{.failures_max = 1}};
  CHECK(aut.note(job_with(1), failed, 0));
  CHECK(aut.note(job_with(1, "g"), failed, 0));
  aut.forget_function("f");
  CHECK(!aut.refusal(fingerprint_of(job_with(1))));
  CHECK(aut.refusal(fingerprint_of(job_with(1, "g"))));
}

TEST_CASE("what is set aside and what has failed are bounded", "[unit][actors]") {
  poison_list aut{{.failures_max = 2, .entries_max = 3, .suspects_max = 5}};
  for (std::int64_t i = 0; i < 100; ++i)
    aut.note(job_with(i), failed, i);
  CHECK(aut.list().empty());
  for (std::int64_t i = 0; i < 10; ++i)
    for (int turn = 0; turn < 2; ++turn)
      aut.note(job_with(i), failed, i);
  auto all = aut.list();
  REQUIRE(all.size() == 3);
  CHECK(all.front().since_ms == 7);
  CHECK(all.back().since_ms == 9);
}
