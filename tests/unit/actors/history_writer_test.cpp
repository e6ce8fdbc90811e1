#include "actors/history_writer.hpp"
#include "actors/log_record.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <random>

using namespace gemel;

namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t day = history_partition_us;

// A disk that keeps what was written, and nothing else.
class kept_history final : public history_port {
public:
  result<void> write(const std::vector<std::pair<std::string, std::string>>& blocks,
                     log_position up_to) override {
    if (is_full)
      return fail(errc::store_full, "no room");
    for (const auto& [key, block] : blocks)
      pairs.insert_or_assign(key, block);
    at = up_to;
    return {};
  }
  result<void> read(std::string_view begin, std::string_view end,
                    const pair_sink& each) const override {
    for (auto i = pairs.lower_bound(begin); i != pairs.end() && i->first < end; ++i)
      if (auto done = each(i->first, i->second); !done)
        return done;
    return {};
  }
  result<std::string> first_key(std::string_view begin) const override {
    auto found = pairs.lower_bound(begin);
    return found == pairs.end() ? std::string{} : found->first;
  }
  result<void> erase(std::string_view begin, std::string_view end) override {
    pairs.erase(pairs.lower_bound(begin), pairs.lower_bound(end));
    return {};
  }
  result<std::optional<log_position>> cursor() const override { return at; }
  std::uint64_t bytes() const override {
    std::uint64_t sum = 0;
    for (const auto& [key, block] : pairs)
      sum += key.size() + block.size();
    return sum;
  }

  bool is_full = false;
  std::map<std::string, std::string, std::less<>> pairs;
  std::optional<log_position> at;
};

model_table machines() {
  type_model machine;
  machine.name = "machine";
  property_model kept;
  kept.key = "temperature";
  kept.history = true;
  machine.properties.push_back(kept);
  kept.key = "mode";
  machine.properties.push_back(kept);
  kept.key = "serial";
  kept.history = false;
  machine.properties.push_back(kept);
  auto made = model_table::make({machine});
  REQUIRE(made);
  return *made;
}

// Records of updates of machines, as cells make them.
class record_maker {
public:
  std::string update(const std::string& id, const std::string& key, std::optional<value> content,
                     std::int64_t time_us) {
    logged_change change{key_id{*names_.keys.intern(key)},
                         content ? &*content : nullptr,
                         {make_hybrid_time(time_us / 1'000, 0), make_dot(0, ++counter_)}};
    logged_event event;
    event.row = row_of(id);
    event.id = id;
    event.version = counter_;
    event.time = change.at.time;
    event.write = change.at.write;
    event.source_time_us = time_us;
    event.changes = {&change, 1};
    builder_.add(event);
    return builder_.take();
  }

private:
  std::uint32_t row_of(const std::string& id) {
    return rows_.try_emplace(id, static_cast<std::uint32_t>(rows_.size())).first->second;
  }

  symbols names_;
  symbol_cache keys_{names_.keys};
  symbol_cache types_{names_.types};
  log_record_builder builder_{keys_, types_};
  std::uint64_t counter_ = 0;
  std::map<std::string, std::uint32_t> rows_;
};

std::optional<std::string> type_of(std::string_view id) {
  return id.starts_with("m") ? std::optional<std::string>{"machine"} : std::nullopt;
}

std::vector<std::pair<std::int64_t, value>> told(const std::vector<series_point>& points) {
  std::vector<std::pair<std::int64_t, value>> made;
  for (const auto& one : points)
    made.emplace_back(one.time_us, one.content);
  return made;
}

} // namespace

TEST_CASE("history keeps what its types ask for, and answers ranges", "[unit][actors]") {
  auto models = machines();
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
    auto some = aut.range("m1", "temperature", 2 * second, 4 * second);
    REQUIRE(some);
    CHECK(told(*some)
          == std::vector<std::pair<std::int64_t, value>>{{2 * second, value{22.0}},
                                                         {3 * second, value{23.0}}});
    auto last = aut.range("m1", "temperature", INT64_MIN, INT64_MAX, 1);
    REQUIRE(last);
    CHECK(told(*last) == std::vector<std::pair<std::int64_t, value>>{{9 * second, value{29.0}}});
    CHECK(aut.range("m1", "serial", INT64_MIN, INT64_MAX)->empty());
    auto rows = aut.aggregate("m1", "temperature",
                              {.from_us = 0, .to_us = 12 * second, .interval_us = 4 * second});
    REQUIRE(rows);
    REQUIRE(rows->size() == 3);
    CHECK(rows->at(0).number == 21.5);
    CHECK(rows->at(2).count == 2);
    REQUIRE(aut.flush());
  }
  CHECK(aut.range("m1", "temperature", 5, 5).error().code == errc::bad_value);
}

TEST_CASE("history tells a twin's state as of a time, and that a property went", "[unit][actors]") {
  auto models = machines();
  kept_history disk;
  record_maker log;
  history_writer aut{models, disk, type_of, {}};
  REQUIRE(aut.open({}));
  REQUIRE(aut.take(log_position{1}, log.update("m1", "temperature", value{1.5}, second), 0));
  REQUIRE(aut.take(log_position{2}, log.update("m1", "mode", value{"cut"}, 2 * second), 0));
  REQUIRE(aut.flush());
  REQUIRE(aut.take(log_position{3}, log.update("m1", "temperature", {}, 2 * day), 0));
  CHECK(aut.state_at("m1", 0)->empty());
  auto then = aut.state_at("m1", day);
  REQUIRE(then);
  CHECK(then->at("temperature").content == value{1.5});
  CHECK(then->at("mode").content == value{"cut"});
  auto later = aut.state_at("m1", INT64_MAX);
  REQUIRE(later);
  CHECK(later->at("temperature").content.is_null());
  CHECK(later->at("mode").content == value{"cut"});
  // Another twin whose id begins the same is another twin.
  CHECK(aut.state_at("m", INT64_MAX)->empty());
}

TEST_CASE("history forgets whole days by age and size, and counts what is late", "[unit][actors]") {
  auto models = machines();
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
  CHECK(aut.range("m1", "temperature", INT64_MIN, INT64_MAX)->size() == 4);
  REQUIRE(aut.take(log_position{11}, log.update("m1", "temperature", value{0}, day), 9 * day));
  CHECK(aut.count().late == 1);
  wanted = {};
  wanted.bytes_max = 1;
  history_writer small{models, disk, type_of, wanted};
  REQUIRE(small.open({}));
  for (int i = 0; i < 10; ++i)
    REQUIRE(small.tick(9 * day));
  CHECK(told(*small.range("m1", "temperature", INT64_MIN, INT64_MAX))
        == std::vector<std::pair<std::int64_t, value>>{{9 * day + second, value{9}}});
}

/// The fault: the process ends at any moment, the disk is full at times, a record is damaged. What
/// must hold: each value that the log holds is in history once, in order, whatever was written.
TEST_CASE("history comes back from its cursor with every value once", "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  auto models = machines();
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
    auto found = aut->range(id, "temperature", INT64_MIN, INT64_MAX);
    REQUIRE(found);
    CHECK(told(*found) == points);
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
