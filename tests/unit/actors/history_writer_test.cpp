#include "actors/history_writer.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/history_records.hpp"
#include "tests/support/kept_history.hpp"
#include "tests/support/seed.hpp"

#include <random>

using namespace gemel;
using test::kept_history;
using record_maker = test::history_records;

namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t day = history_partition_us;

std::optional<std::string> type_of(std::string_view id) {
  return id.starts_with("m") ? std::optional<std::string>{"machine"} : std::nullopt;
}

std::vector<std::pair<std::int64_t, value>> told(const std::vector<series_point>& points) {
  std::vector<std::pair<std::int64_t, value>> made;
  for (const auto& one : points)
    made.emplace_back(one.time_us, one.content);
  return made;
}

history_reader look(const history_writer& in, const std::string& id) {
  return in.look(std::span{&id, 1});
}

std::vector<series_point> range(const history_writer& in, const std::string& id,
                                const std::string& property, std::int64_t from = INT64_MIN,
                                std::int64_t to = INT64_MAX) {
  auto page = look(in, id).range(id, property, from, to, history_points_max);
  REQUIRE(page);
  CHECK_FALSE(page->next);
  return page->points;
}

} // namespace

TEST_CASE("history keeps what its types ask for, and answers ranges", "[unit][actors]") {
  auto models = test::machines_with_history();
  kept_history disk;
  record_maker log;
  history_writer aut{models, disk, type_of, {}};
  REQUIRE(aut.open({}));
  std::uint64_t at = 0;
  auto take = [&](const std::string& record) { REQUIRE(aut.take(log_position{++at}, record, 0)); };
  for (int i = 0; i < 10; ++i)
    take(log.update("m1", "temperature", value{20.0 + i}, i * second));
  take(log.update("m1", "serial", value{"no history"}, 3 * second));
  take(log.update("stranger", "temperature", value{1.0}, 3 * second));
  CHECK(aut.count().points == 10);
  for (bool is_written : {false, true}) {
    CHECK(disk.pairs.empty() != is_written);
    CHECK(told(range(aut, "m1", "temperature", 2 * second, 4 * second))
          == std::vector<std::pair<std::int64_t, value>>{{2 * second, value{22.0}},
                                                         {3 * second, value{23.0}}});
    auto last = look(aut, "m1").last("m1", "temperature", INT64_MIN, INT64_MAX, 1);
    REQUIRE(last);
    CHECK(*last == series_position{9 * second, 0});
    CHECK(range(aut, "m1", "serial").empty());
    auto page = look(aut, "m1").aggregate(
        "m1", "temperature", {.from_us = 0, .to_us = 12 * second, .interval_us = 4 * second}, 10);
    REQUIRE(page);
    CHECK_FALSE(page->next_us);
    REQUIRE(page->rows.size() == 3);
    CHECK(page->rows[0].number == 21.5);
    CHECK(page->rows[2].count == 2);
    REQUIRE(aut.flush());
  }
  CHECK(look(aut, "m1").range("m1", "temperature", 5, 5, 1).error().code == errc::bad_value);
}

TEST_CASE("history tells a twin's state as of a time, and that a property went", "[unit][actors]") {
  auto models = test::machines_with_history();
  kept_history disk;
  record_maker log;
  history_writer aut{models, disk, type_of, {}};
  REQUIRE(aut.open({}));
  REQUIRE(aut.take(log_position{1}, log.update("m1", "temperature", value{1.5}, second), 0));
  REQUIRE(aut.take(log_position{2}, log.update("m1", "mode", value{"cut"}, 2 * second), 0));
  REQUIRE(aut.flush());
  REQUIRE(aut.take(log_position{3}, log.update("m1", "temperature", {}, 2 * day), 0));
  CHECK(look(aut, "m1").state_at("m1", {0})->empty());
  auto then = look(aut, "m1").state_at("m1", {day});
  REQUIRE(then);
  CHECK(then->find("temperature")->second.content == value{1.5});
  CHECK(then->find("mode")->second.content == value{"cut"});
  auto later = look(aut, "m1").state_at("m1", {});
  REQUIRE(later);
  CHECK(later->find("temperature")->second.content.is_null());
  CHECK(later->find("mode")->second.content == value{"cut"});
  // Another twin whose id begins the same is another twin.
  CHECK(look(aut, "m").state_at("m", {})->empty());
}

TEST_CASE("history forgets whole days by age and size, and counts what is late", "[unit][actors]") {
  auto models = test::machines_with_history();
  kept_history disk;
  record_maker log;
  history_writer::options wanted;
  wanted.keep_us = 3 * day;
  history_writer aut{models, disk, type_of, wanted};
  REQUIRE(aut.open({}));
  for (int i = 0; i < 10; ++i)
    REQUIRE(aut.take(log_position{static_cast<std::uint64_t>(i) + 1},
                     log.update("m1", "temperature", value{i}, i * day + second), i * day));
  REQUIRE(aut.flush());
  REQUIRE(aut.tick(9 * day + 2 * second));
  CHECK(range(aut, "m1", "temperature").size() == 4);
  REQUIRE(aut.take(log_position{11}, log.update("m1", "temperature", value{0}, day), 9 * day));
  CHECK(aut.count().late == 1);
  wanted = {};
  wanted.bytes_max = 1;
  history_writer small{models, disk, type_of, wanted};
  REQUIRE(small.open({}));
  for (int i = 0; i < 10; ++i)
    REQUIRE(small.tick(9 * day));
  CHECK(told(range(small, "m1", "temperature"))
        == std::vector<std::pair<std::int64_t, value>>{{9 * day + second, value{9}}});
}

/// The fault: the process ends at any moment, the disk is full at times, a record is damaged. What
/// must hold: each value that the log holds is in history once, in order, whatever was written.
TEST_CASE("history comes back from its cursor with every value once", "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  auto models = test::machines_with_history();
  kept_history disk;
  record_maker log;
  std::vector<std::string> records;
  std::map<std::string, std::vector<std::pair<std::int64_t, value>>> expected;
  history_writer::options wanted;
  wanted.open_points_max = 50;
  auto aut = std::make_unique<history_writer>(models, disk, type_of, wanted);
  REQUIRE(aut->open({}));
  auto feed = [&] {
    for (auto i = static_cast<std::size_t>(aut->taken()); i < records.size(); ++i)
      REQUIRE(aut->take(log_position{i + 1}, records[i], static_cast<std::int64_t>(i)));
  };
  for (int i = 0; i < 5'000; ++i) {
    auto id = "m" + std::to_string(random() % 5);
    // Some come late, some of another day.
    auto time = i * 60 * second - static_cast<std::int64_t>(random() % 3) * 90 * second;
    auto content = random() % 10 == 0 ? value{"off"} : value{static_cast<double>(random() % 100)};
    records.push_back(log.update(id, "temperature", content, time));
    expected[id].emplace_back(time, content);
    if (random() % 8 == 0)
      feed();
    disk.is_full = random() % 4 == 0;
    if (auto done = aut->tick(i); !done)
      CHECK(done.error().code == errc::store_full);
    CHECK(static_cast<std::uint64_t>(aut->durable()) <= static_cast<std::uint64_t>(aut->taken()));
    if (random() % 40 == 0) {
      aut = std::make_unique<history_writer>(models, disk, type_of, wanted);
      REQUIRE(aut->open({}));
    }
  }
  feed();
  for (auto& [id, points] : expected) {
    std::stable_sort(points.begin(), points.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    CHECK(told(range(*aut, id, "temperature")) == points);
    // Page after page comes to the same, and the last ones are the end of it.
    auto reader = look(*aut, id);
    std::vector<series_point> pages;
    std::optional<series_position> next;
    do {
      auto page = reader.range(id, "temperature", INT64_MIN, INT64_MAX, 1 + random() % 40, next);
      REQUIRE(page);
      pages.insert(pages.end(), page->points.begin(), page->points.end());
      next = page->next;
    } while (next);
    CHECK(told(pages) == points);
    auto count = 1 + random() % (points.size() + 3);
    auto begin = reader.last(id, "temperature", INT64_MIN, INT64_MAX, count);
    REQUIRE(begin);
    auto end = reader.range(id, "temperature", INT64_MIN, INT64_MAX, points.size(), **begin);
    REQUIRE(end);
    auto expected_end = points;
    if (count < points.size())
      expected_end.erase(expected_end.begin(),
                         expected_end.end() - static_cast<std::ptrdiff_t>(count));
    CHECK(told(end->points) == expected_end);
  }
  // A damaged record is refused by name, and leaves no trace.
  auto points = aut->count().points;
  auto damaged = records.back();
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  auto refused = aut->take(log_position{records.size() + 1}, damaged, 0);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::store_corrupt);
  CHECK(aut->count().points == points);
}

TEST_CASE("history tells a twin's state as of a version", "[unit][actors]") {
  auto models = test::machines_with_history();
  kept_history disk;
  record_maker log;
  history_writer aut{models, disk, type_of, {}};
  REQUIRE(aut.open({}));
  std::uint64_t at = 0;
  auto take = [&](const std::string& record) { REQUIRE(aut.take(log_position{++at}, record, 0)); };
  take(log.update("m1", "temperature", value{1.0}, 5 * day)); // version 1
  take(log.update("m1", "mode", value{"cut"}, day));          // version 2, measured long before
  REQUIRE(aut.flush());
  take(log.update("m1", "temperature", value{3.0}, 2 * day)); // version 3, as well
  auto state = [&](std::uint64_t version) {
    auto made = look(aut, "m1").state_at("m1", {INT64_MAX, version});
    REQUIRE(made);
    std::map<std::string, value> plain;
    for (const auto& [name, one] : *made)
      plain[name] = one.content;
    return plain;
  };
  CHECK(state(1) == std::map<std::string, value>{{"temperature", value{1.0}}});
  CHECK(state(2)
        == std::map<std::string, value>{{"mode", value{"cut"}}, {"temperature", value{1.0}}});
  CHECK(state(9)
        == std::map<std::string, value>{{"mode", value{"cut"}}, {"temperature", value{3.0}}});
}

TEST_CASE("history keeps some properties for a shorter or longer time than others",
          "[unit][actors]") {
  type_model machine;
  machine.name = "machine";
  machine.history_keep_us = 2 * day;
  property_model kept;
  kept.history = true;
  kept.key = "temperature";
  machine.properties.push_back(kept);
  kept.key = "mode";
  kept.history_keep_us = 6 * day;
  machine.properties.push_back(kept);
  auto models = model_table::make({machine});
  REQUIRE(models);
  kept_history disk;
  record_maker log;
  history_writer::options wanted;
  wanted.keep_us = 4 * day;
  history_writer aut{*models, disk, type_of, wanted};
  REQUIRE(aut.open({}));
  std::uint64_t at = 0;
  for (int i = 0; i < 10; ++i)
    for (const char* key : {"temperature", "mode"})
      REQUIRE(aut.take(log_position{++at}, log.update("m1", key, value{i}, i * day), i * day));
  REQUIRE(aut.flush());
  for (int i = 0; i < 10; ++i)
    REQUIRE(aut.tick(9 * day + second));
  CHECK(told(range(aut, "m1", "temperature")).front().first == 7 * day);
  CHECK(told(range(aut, "m1", "mode")).front().first == 3 * day);
  CHECK(aut.count().series_dropped > 0);
  auto late = aut.count().late;
  REQUIRE(
      aut.take(log_position{++at}, log.update("m1", "temperature", value{0}, 5 * day), 9 * day));
  REQUIRE(aut.take(log_position{++at}, log.update("m1", "mode", value{0}, 5 * day), 9 * day));
  CHECK(aut.count().late == late + 1);
}

TEST_CASE("history remembers types over a start, and counts values of unknown ones",
          "[unit][actors]") {
  auto models = test::machines_with_history();
  kept_history disk;
  record_maker log;
  std::size_t asked = 0;
  auto lookup = [&](std::string_view id) {
    ++asked;
    return type_of(id);
  };
  {
    history_writer aut{models, disk, lookup, {}};
    REQUIRE(aut.open({}));
    REQUIRE(aut.take(log_position{1}, log.update("m1", "temperature", value{1.0}, second), 0));
    REQUIRE(aut.take(log_position{2}, log.update("gone", "temperature", value{1.0}, second), 0));
    CHECK(asked == 2);
    CHECK(aut.untyped() == 1);
    REQUIRE(aut.flush());
  }
  history_writer aut{models, disk, lookup, {}};
  REQUIRE(aut.open({}));
  REQUIRE(aut.take(log_position{3}, log.update("m1", "temperature", value{2.0}, 2 * second), 0));
  CHECK(asked == 2);
  CHECK(range(aut, "m1", "temperature").size() == 2);
}

TEST_CASE("aggregates come page after page and carry on what held", "[unit][actors]") {
  auto models = test::machines_with_history();
  kept_history disk;
  record_maker log;
  history_writer aut{models, disk, type_of, {}};
  REQUIRE(aut.open({}));
  std::vector<sample> samples;
  for (int i = 0; i < 50; ++i) {
    auto time = i * i * second;
    samples.push_back({time, i * 1.5});
    REQUIRE(aut.take(log_position{static_cast<std::uint64_t>(i) + 1},
                     log.update("m1", "temperature", value{i * 1.5}, time), 0));
    if (i == 25)
      REQUIRE(aut.flush());
  }
  for (auto function : {sample_function::avg, sample_function::time_weighted_avg,
                        sample_function::percentile, sample_function::stddev}) {
    downsample_request asked{.from_us = 10 * second,
                             .to_us = 2'000 * second,
                             .interval_us = 7 * second,
                             .function = function,
                             .percent = 30};
    auto expected = downsample(samples, asked);
    REQUIRE(expected);
    std::vector<interval_row> rows;
    for (;;) {
      auto page = look(aut, "m1").aggregate("m1", "temperature", asked, 11);
      REQUIRE(page);
      rows.insert(rows.end(), page->rows.begin(), page->rows.end());
      if (!page->next_us)
        break;
      asked.from_us = *page->next_us;
    }
    REQUIRE(rows.size() == expected->size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      CHECK(rows[i].from_us == (*expected)[i].from_us);
      CHECK(rows[i].count == (*expected)[i].count);
      CHECK(rows[i].number.has_value() == (*expected)[i].number.has_value());
      if (rows[i].number)
        CHECK(*rows[i].number == Catch::Approx(*(*expected)[i].number));
    }
  }
}
