#include "messages/replies.hpp"
#include "messages/requests.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_messages.hpp"
#include "tests/support/read_frame.hpp"
#include "tests/support/seed.hpp"

#include <bit>

using namespace gemel;

namespace {

frame sent(const frame& made) {
  auto arrived = frame::check(made.bytes());
  if (!arrived)
    FAIL("refused: " << to_string(arrived.error()));
  return *arrived;
}

void same(const twin_record& read, const twin_record& made) {
  REQUIRE(read.id == made.id);
  REQUIRE(read.type == made.type);
  REQUIRE(read.parent == made.parent);
  REQUIRE(read.path == made.path);
  REQUIRE(read.version == made.version);
  REQUIRE(read.lifecycle == made.lifecycle);
  REQUIRE(read.updated_at_us == made.updated_at_us);
  REQUIRE(read.has_children == made.has_children);
  REQUIRE(read.properties == made.properties);
  auto bits = [](double number) { return std::bit_cast<std::uint64_t>(number); };
  REQUIRE(read.rollups.size() == made.rollups.size());
  for (std::size_t i = 0; i < made.rollups.size(); ++i) {
    REQUIRE(read.rollups[i].property == made.rollups[i].property);
    REQUIRE(read.rollups[i].count == made.rollups[i].count);
    REQUIRE(bits(read.rollups[i].sum) == bits(made.rollups[i].sum));
    REQUIRE(bits(read.rollups[i].min) == bits(made.rollups[i].min));
    REQUIRE(bits(read.rollups[i].max) == bits(made.rollups[i].max));
  }
  REQUIRE(read.stamps.size() == made.stamps.size());
  for (std::size_t i = 0; i < made.stamps.size(); ++i) {
    REQUIRE(read.stamps[i].time == made.stamps[i].time);
    REQUIRE(read.stamps[i].dot == made.stamps[i].dot);
    REQUIRE(read.stamps[i].source_time_us == made.stamps[i].source_time_us);
  }
}

void same(const type_record& read, const type_record& made) {
  REQUIRE(read.name == made.name);
  REQUIRE(read.extends == made.extends);
  REQUIRE(read.capabilities == made.capabilities);
  REQUIRE(read.commands == made.commands);
  REQUIRE(read.twins == made.twins);
  REQUIRE(read.has_behavior == made.has_behavior);
  REQUIRE(read.properties.size() == made.properties.size());
  for (std::size_t i = 0; i < made.properties.size(); ++i) {
    REQUIRE(read.properties[i].key == made.properties[i].key);
    REQUIRE(read.properties[i].kind == made.properties[i].kind);
    REQUIRE(read.properties[i].unit == made.properties[i].unit);
    REQUIRE(read.properties[i].indexed == made.properties[i].indexed);
    REQUIRE(read.properties[i].unique == made.properties[i].unique);
  }
}

void same(const twin_event& read, const twin_event& made) {
  REQUIRE(read.kind == made.kind);
  REQUIRE(read.id == made.id);
  REQUIRE(read.type == made.type);
  REQUIRE(read.parent == made.parent);
  REQUIRE(read.version == made.version);
  REQUIRE(read.lifecycle == made.lifecycle);
  REQUIRE(read.time_us == made.time_us);
  REQUIRE(read.source_time_us == made.source_time_us);
  REQUIRE(read.detail == made.detail);
  REQUIRE(read.event_id() == made.event_id());
  REQUIRE(read.cause == made.cause);
  REQUIRE(read.name == made.name);
  REQUIRE(read.changes.size() == made.changes.size());
  for (std::size_t i = 0; i < made.changes.size(); ++i) {
    REQUIRE(read.changes[i].key == made.changes[i].key);
    REQUIRE(read.changes[i].old_value == made.changes[i].old_value);
    REQUIRE(read.changes[i].new_value == made.changes[i].new_value);
  }
}

void same(const stats_record& read, const stats_record& made) {
  REQUIRE(read.counters.size() == made.counters.size());
  for (std::size_t i = 0; i < made.counters.size(); ++i) {
    REQUIRE(read.counters[i].name == made.counters[i].name);
    REQUIRE(std::bit_cast<std::uint64_t>(read.counters[i].number)
            == std::bit_cast<std::uint64_t>(made.counters[i].number));
    REQUIRE(read.counters[i].help == made.counters[i].help);
  }
  REQUIRE(read.latencies.size() == made.latencies.size());
  for (std::size_t i = 0; i < made.latencies.size(); ++i) {
    REQUIRE(read.latencies[i].name == made.latencies[i].name);
    REQUIRE(read.latencies[i].count == made.latencies[i].count);
    REQUIRE(read.latencies[i].p50_ns == made.latencies[i].p50_ns);
    REQUIRE(read.latencies[i].p99_ns == made.latencies[i].p99_ns);
    REQUIRE(read.latencies[i].p999_ns == made.latencies[i].p999_ns);
    REQUIRE(read.latencies[i].max_ns == made.latencies[i].max_ns);
  }
}

// The error of each `expect_*` on `answer`; code none where it took the answer.
std::vector<error> refusals(const frame& answer) {
  auto of = [](const auto& r) { return r ? error{} : r.error(); };
  return {of(expect_outcome(answer)), of(expect_page(answer)), of(expect_subscribed(answer)),
          of(expect_done(answer)), of(expect_stats(answer))};
}

} // namespace

TEST_CASE("random outcomes and pages arrive as they were made", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  for (int i = 0; i < 500; ++i) {
    auto made = random.any_outcome();
    auto read = expect_outcome(sent(make_outcome_reply(made)));
    REQUIRE(read);
    REQUIRE(read->applied == made.applied);
    REQUIRE(read->failures == made.failures);
    REQUIRE(read->ids == made.ids);
    auto page = random.page();
    auto got = expect_page(sent(make_page_reply(page)));
    REQUIRE(got);
    REQUIRE(got->twins.size() == page.twins.size());
    for (std::size_t k = 0; k < page.twins.size(); ++k)
      same(got->twins[k], page.twins[k]);
    REQUIRE(got->next == page.next);
    REQUIRE(got->total == page.total);
    REQUIRE(got->missing == page.missing);
    REQUIRE(got->explanation == page.explanation);
    REQUIRE(got->groups.size() == page.groups.size());
    for (std::size_t k = 0; k < page.groups.size(); ++k) {
      REQUIRE(got->groups[k].keys == page.groups[k].keys);
      REQUIRE(got->groups[k].values == page.groups[k].values);
    }
    auto types = random.types();
    auto known = expect_types(sent(make_types_reply(types)));
    REQUIRE(known);
    REQUIRE(known->size() == types.size());
    for (std::size_t k = 0; k < types.size(); ++k)
      same((*known)[k], types[k]);
    auto content = random.any_value(3);
    REQUIRE(expect_result(sent(make_result_reply(content))).value() == content);
  }
}

TEST_CASE("random statistics and events arrive as they were made", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  for (int i = 0; i < 500; ++i) {
    auto stats = random.stats();
    auto read = expect_stats(sent(make_stats_reply(stats)));
    REQUIRE(read);
    same(*read, stats);
    auto events = random.events();
    auto got = test::read_events(sent(test::make_events(events)).message().getEvents());
    REQUIRE(got.size() == events.size());
    for (std::size_t k = 0; k < events.size(); ++k)
      same(got[k], events[k]);
  }
}

TEST_CASE("the small replies arrive as they were made", "[unit][messages]") {
  CHECK(expect_subscribed(sent(make_subscribed_reply(UINT64_MAX))).value() == UINT64_MAX);
  CHECK(expect_done(sent(make_done_reply())));
  auto arrived = sent(make_welcome_reply("plant-7", "gemel 0.1.0"));
  auto welcome = arrived.message().getReply();
  REQUIRE(welcome.isWelcome());
  CHECK(welcome.getWelcome().getProtocol() == wire::PROTOCOL_VERSION);
  CHECK(text_of(welcome.getWelcome().getNode()) == "plant-7");
  CHECK(text_of(welcome.getWelcome().getProgram()) == "gemel 0.1.0");
}

TEST_CASE("expect passes on the error that the answer holds", "[unit][messages]") {
  const error why{errc::overloaded, "cell 3 has 65536 waiting"};
  for (const auto& refused : refusals(sent(make_error_reply(why))))
    CHECK(refused == why);
  const error newer{static_cast<errc>(999), "of a newer peer"};
  for (const auto& refused : refusals(sent(make_error_reply(newer))))
    CHECK(refused == newer);
}

TEST_CASE("expect refuses every reply of another kind", "[unit][messages]") {
  const frame replies[] = {make_outcome_reply({}),   make_page_reply({}),
                           make_subscribed_reply(0), make_done_reply(),
                           make_stats_reply({}),     make_welcome_reply("n", "p")};
  for (std::size_t i = 0; i < std::size(replies); ++i) {
    auto refused = refusals(sent(replies[i]));
    for (std::size_t k = 0; k < refused.size(); ++k)
      CHECK(refused[k]
            == (i == k ? error{} : error{errc::bad_frame, "a reply of another kind was expected"}));
  }
}

TEST_CASE("expect refuses what is no reply at all", "[unit][messages]") {
  for (const auto& refused : refusals(make_stats_request()))
    CHECK(refused == error{errc::bad_frame, "a reply was expected"});
  for (const auto& refused : refusals(frame{}))
    CHECK(refused == error{errc::bad_frame, "no reply"});
}

TEST_CASE("records find a property by its key", "[unit][messages]") {
  twin_record twin;
  twin.properties = {{"a", 1}, {"b", {}}};
  REQUIRE(twin.find("a") != nullptr);
  CHECK(*twin.find("a") == value{1});
  REQUIRE(twin.find("b") != nullptr);
  CHECK(twin.find("b")->is_null());
  CHECK(twin.find("c") == nullptr);
  twin_event event;
  event.changes = {{"a", 1, 2}};
  REQUIRE(event.find("a") != nullptr);
  CHECK(event.find("a")->new_value == value{2});
  CHECK(event.find("b") == nullptr);
}

TEST_CASE("kinds of events are spelt", "[unit][messages]") {
  CHECK(to_string(event_kind::created) == "created");
  CHECK(to_string(event_kind::updated) == "updated");
  CHECK(to_string(event_kind::removed) == "removed");
  CHECK(to_string(event_kind::lifecycle) == "lifecycle");
  CHECK(to_string(event_kind::crashed) == "crashed");
  CHECK(to_string(event_kind::emitted) == "emitted");
  CHECK(to_string(event_kind::moved) == "moved");
  CHECK(to_string(static_cast<event_kind>(7)) == "unknown");
}
