#include "actors/history_reader.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace gemel {

namespace {

using namespace history_keys;

constexpr std::int64_t time_min = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t time_max = std::numeric_limits<std::int64_t>::max();

bool convert(const series_points& from, std::size_t index, series_point& made) {
  made = from.point(index);
  return true;
}
bool convert(const series_points& from, std::size_t index, sample& made) {
  auto number = from.number(index);
  if (number)
    made = {from.times_us[index], *number};
  return number.has_value();
}
bool convert(const series_point& from, series_point& made) {
  made = from;
  return true;
}
bool convert(const series_point& from, sample& made) {
  if (from.content.is_bool())
    made = {from.time_us, from.content.as_bool() ? 1.0 : 0.0};
  else if (auto number = from.content.number())
    made = {from.time_us, *number};
  else
    return false;
  return true;
}

error too_many(std::size_t most) {
  return {errc::limit_reached,
          "more than " + std::to_string(most) + " points: ask for a shorter time"};
}

// What is asked for, but at most `rows` intervals of it.
downsample_request first_rows(const downsample_request& asked, std::size_t rows) {
  auto made = asked;
  if (asked.interval_us <= 0 || asked.from_us >= asked.to_us)
    return made;
  auto length = static_cast<std::uint64_t>(asked.to_us) - static_cast<std::uint64_t>(asked.from_us);
  if (length / static_cast<std::uint64_t>(asked.interval_us) >= rows)
    made.to_us =
        std::min(asked.to_us, asked.from_us + asked.interval_us * static_cast<std::int64_t>(rows));
  return made;
}

// Tells intervals that are whole before more is read, so that few samples are in memory at once.
class interval_teller {
public:
  // @param held the value before the first interval, which goes on to hold.
  interval_teller(const downsample_request& wanted, const std::optional<sample>& held)
      : wanted_{wanted}, begin_{wanted.from_us} {
    if (held)
      samples_.push_back(*held);
  }

  // Samples not told yet, by time; more are put behind them.
  std::vector<sample>& samples() noexcept { return samples_; }

  // The intervals before the last sample, if it is worth it.
  // @returns errc::limit_reached: one interval has too many.
  result<void> tell_whole() {
    constexpr std::size_t samples_good = 262'144;
    if (samples_.size() < samples_good)
      return {};
    if (wanted_.interval_us > 0) {
      auto since =
          static_cast<std::uint64_t>(samples_.back().time_us) - static_cast<std::uint64_t>(begin_);
      auto whole = since / static_cast<std::uint64_t>(wanted_.interval_us);
      if (whole > 0)
        if (auto told = tell(begin_ + static_cast<std::int64_t>(whole) * wanted_.interval_us);
            !told)
          return told;
    }
    if (samples_.size() > interval_points_max)
      return tl::unexpected<error>(too_many(interval_points_max));
    return {};
  }

  result<void> tell_rest() { return begin_ < wanted_.to_us ? tell(wanted_.to_us) : result<void>{}; }

  std::vector<interval_row> take() { return std::move(rows_); }

private:
  result<void> tell(std::int64_t end) {
    auto part = wanted_;
    part.from_us = begin_;
    part.to_us = end;
    auto told = downsample(samples_, part);
    if (!told)
      return tl::unexpected<error>(std::move(told.error()));
    rows_.insert(rows_.end(), told->begin(), told->end());
    begin_ = end;
    // The last one before goes on to hold.
    auto keep = std::partition_point(samples_.begin(), samples_.end(),
                                     [&](const sample& one) { return one.time_us < end; });
    if (keep != samples_.begin())
      samples_.erase(samples_.begin(), keep - 1);
    return {};
  }

  downsample_request wanted_;
  std::int64_t begin_;
  std::vector<sample> samples_;
  std::vector<interval_row> rows_;
};

// A block, or the open points of a day, which count as the last block.
struct block_facts {
  std::int64_t time_min_us = 0;
  std::int64_t time_max_us = 0;
  std::uint32_t points = 0;
  std::uint32_t number = 0;
};
constexpr std::uint32_t open_number = std::numeric_limits<std::uint32_t>::max();

block_facts facts_of(const open_series& open) {
  auto [least, greatest] = std::minmax_element(
      open.points.begin(), open.points.end(),
      [](const auto& left, const auto& right) { return left.time_us < right.time_us; });
  return {least->time_us, greatest->time_us, static_cast<std::uint32_t>(open.points.size()),
          open_number};
}

} // namespace

// ---- points of one series by time ---------------------------------------------------------------

/// Blocks lie across each other when values came late, so points of a block are given out once no
/// later block begins before them.
template <class Point>
class history_reader::walk {
public:
  walk(const history_reader& in, std::string_view id, std::string_view property,
       std::int64_t from_us, std::int64_t to_us)
      : in_{in}, id_{id}, property_{property}, from_us_{from_us}, to_us_{to_us} {}

  result<void> open() {
    auto days = in_.partitions(id_, partition_of(from_us_), partition_of(to_us_ - 1));
    if (!days)
      return tl::unexpected<error>(std::move(days.error()));
    days_ = *std::move(days);
    return {};
  }

  /// Only the last `count` points of a day are of use; some more may come.
  void want_last(std::size_t count) { last_ = count; }

  /// Appends the next points, by time. @returns false: there are no more.
  result<bool> next(std::vector<Point>& out) {
    for (;;) {
      if (blocks_.empty() && pending_.empty()) {
        if (day_ == days_.size())
          return false;
        if (auto listed = list_day(days_[day_++]); !listed)
          return tl::unexpected<error>(std::move(listed.error()));
        continue;
      }
      if (!blocks_.empty())
        if (auto read = read_block(); !read)
          return tl::unexpected<error>(std::move(read.error()));
      if (give_out(out))
        return true;
    }
  }

private:
  struct numbered {
    std::uint32_t number;
    Point point;
  };

  result<void> list_day(std::int64_t day) {
    prefix_ = series_prefix(day, id_, property_);
    partition_ = day;
    auto read = in_.disk_->read(prefix_, end_of(prefix_), [&](auto key, auto block) {
      auto facts = summary_of_series(block);
      if (!facts)
        return result<void>{tl::unexpected<error>(std::move(facts.error()))};
      if (facts->time_max_us >= from_us_ && facts->time_min_us < to_us_)
        blocks_.push_back(
            {facts->time_min_us, facts->time_max_us, facts->points, parse(key)->number});
      return result<void>{};
    });
    if (const auto* open = in_.open_of(id_, property_, day))
      blocks_.push_back(facts_of(*open));
    if (last_)
      leave_out_early();
    // The first one at the end.
    std::sort(blocks_.begin(), blocks_.end(), [](const block_facts& a, const block_facts& b) {
      return std::tie(a.time_min_us, a.number) > std::tie(b.time_min_us, b.number);
    });
    return read;
  }

  // Blocks before the last ones that have enough points.
  void leave_out_early() {
    std::sort(blocks_.begin(), blocks_.end(), [](const block_facts& a, const block_facts& b) {
      return a.time_max_us > b.time_max_us;
    });
    std::size_t points = 0;
    auto first = time_max;
    for (const auto& one : blocks_) {
      first = std::min(first, one.time_min_us);
      if (one.time_min_us >= from_us_ && one.time_max_us < to_us_)
        points += one.points;
      if (points < *last_)
        continue;
      std::erase_if(blocks_, [&](const block_facts& b) { return b.time_max_us < first; });
      return;
    }
  }

  template <class From>
  void keep(const From& from, std::size_t index, std::int64_t time_us, std::uint32_t number) {
    if (time_us < from_us_ || time_us >= to_us_)
      return;
    numbered made{number, {}};
    if (take(from, index, made.point))
      pending_.push_back(std::move(made));
  }
  static bool take(const series_points& from, std::size_t index, Point& made) {
    return convert(from, index, made);
  }
  static bool take(const std::vector<series_point>& from, std::size_t index, Point& made) {
    return convert(from[index], made);
  }

  result<void> read_block() {
    auto block = blocks_.back();
    blocks_.pop_back();
    auto sorted = pending_.empty();
    auto last = time_min;
    auto note = [&](const auto& from, std::size_t index, std::int64_t time_us) {
      sorted = sorted && time_us >= last;
      last = time_us;
      keep(from, index, time_us, block.number);
    };
    if (block.number == open_number) {
      const auto& points = in_.open_of(id_, property_, partition_)->points;
      for (std::size_t i = 0; i < points.size(); ++i)
        note(points, i, points[i].time_us);
    } else {
      auto key = block_key(prefix_, block.number);
      auto read = in_.disk_->read(key, key + '\0',
                                  [&](auto, auto bytes) { return unpack_series(bytes, points_); });
      if (!read)
        return read;
      for (std::size_t i = 0; i < points_.size(); ++i)
        note(points_, i, points_.times_us[i]);
    }
    if (pending_.size() > history_points_max)
      return tl::unexpected<error>(too_many(history_points_max));
    if (!sorted)
      std::stable_sort(pending_.begin(), pending_.end(), [](const auto& a, const auto& b) {
        return std::tie(a.point.time_us, a.number) < std::tie(b.point.time_us, b.number);
      });
    return {};
  }

  // Of equal times, those of a block that was written earlier come first: they all wait.
  bool give_out(std::vector<Point>& out) {
    auto end = pending_.end();
    if (!blocks_.empty())
      end = std::partition_point(pending_.begin(), pending_.end(), [&](const auto& one) {
        return one.point.time_us < blocks_.back().time_min_us;
      });
    for (auto i = pending_.begin(); i != end; ++i)
      out.push_back(std::move(i->point));
    auto given = end != pending_.begin();
    pending_.erase(pending_.begin(), end);
    return given;
  }

  const history_reader& in_;
  std::string_view id_;
  std::string_view property_;
  std::int64_t from_us_;
  std::int64_t to_us_;
  std::vector<std::int64_t> days_;
  std::size_t day_ = 0;
  std::optional<std::size_t> last_;
  std::int64_t partition_ = 0;
  std::string prefix_;
  std::vector<block_facts> blocks_;
  std::vector<numbered> pending_; // by time
  series_points points_;
};

const std::vector<open_series>* history_reader::open_of(std::string_view id) const {
  auto found = open_.find(id);
  return found != open_.end() ? &found->second : nullptr;
}

const open_series* history_reader::open_of(std::string_view id, std::string_view property,
                                           std::int64_t partition) const {
  if (const auto* all = open_of(id))
    for (const auto& one : *all)
      if (one.partition == partition && one.property == property && !one.points.empty())
        return &one;
  return nullptr;
}

// Days of which there is anything, not only of this twin.
result<std::vector<std::int64_t>> history_reader::partitions(std::string_view id, std::int64_t from,
                                                             std::int64_t to) const {
  std::vector<std::int64_t> made;
  auto begin = partition_key(from);
  for (;;) {
    auto key = disk_->first_key(begin);
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    if (key->empty() || partition_in(*key) > to)
      break;
    made.push_back(partition_in(*key));
    begin = partition_key(made.back() + 1);
  }
  if (const auto* open = open_of(id))
    for (const auto& one : *open)
      if (one.partition >= from && one.partition <= to)
        made.push_back(one.partition);
  std::sort(made.begin(), made.end());
  made.erase(std::unique(made.begin(), made.end()), made.end());
  return made;
}

// ---- ranges -------------------------------------------------------------------------------------

result<series_page> history_reader::range(std::string_view id, std::string_view property,
                                          std::int64_t from_us, std::int64_t to_us,
                                          std::size_t count,
                                          std::optional<series_position> position) const {
  if (from_us >= to_us)
    return fail(errc::bad_value, "the range ends before it begins");
  auto skip = std::uint64_t{0};
  if (position && position->time_us >= from_us) {
    if (position->time_us >= to_us)
      return series_page{};
    from_us = position->time_us;
    skip = position->skip;
  }
  walk<series_point> points{*this, id, property, from_us, to_us};
  if (auto ready = points.open(); !ready)
    return tl::unexpected<error>(std::move(ready.error()));
  series_page made;
  // One more than asked for says where the next page begins.
  for (result<bool> more = true; made.points.size() <= count + skip;) {
    more = points.next(made.points);
    if (!more)
      return tl::unexpected<error>(std::move(more.error()));
    if (!*more)
      break;
  }
  auto gone = std::min<std::size_t>(skip, made.points.size());
  made.points.erase(made.points.begin(), made.points.begin() + static_cast<std::ptrdiff_t>(gone));
  if (made.points.size() > count) {
    auto time = made.points[count].time_us;
    made.points.resize(count);
    auto same = [&](const series_point& one) { return one.time_us == time; };
    auto before = std::count_if(made.points.begin(), made.points.end(), same);
    if (time == from_us)
      before += static_cast<std::ptrdiff_t>(skip);
    made.next = series_position{time, static_cast<std::uint64_t>(before)};
  }
  return made;
}

result<std::optional<series_position>>
history_reader::last(std::string_view id, std::string_view property, std::int64_t from_us,
                     std::int64_t to_us, std::size_t count) const {
  if (from_us >= to_us)
    return fail(errc::bad_value, "the range ends before it begins");
  if (count > history_points_max)
    return tl::unexpected<error>(too_many(history_points_max));
  auto days = partitions(id, partition_of(from_us), partition_of(to_us - 1));
  if (!days)
    return tl::unexpected<error>(std::move(days.error()));
  std::vector<std::int64_t> times;
  for (auto day = days->rbegin(); day != days->rend() && times.size() < count; ++day) {
    walk<series_point> points{*this, id, property, std::max(from_us, *day * history_partition_us),
                              std::min(to_us, (*day + 1) * history_partition_us)};
    points.want_last(count);
    if (auto ready = points.open(); !ready)
      return tl::unexpected<error>(std::move(ready.error()));
    std::vector<std::int64_t> earlier;
    std::vector<series_point> some;
    for (;;) {
      some.clear();
      auto more = points.next(some);
      if (!more)
        return tl::unexpected<error>(std::move(more.error()));
      if (!*more)
        break;
      for (const auto& one : some)
        earlier.push_back(one.time_us);
      if (earlier.size() > 2 * count) // Only the last ones are wanted.
        earlier.erase(earlier.begin(), earlier.end() - static_cast<std::ptrdiff_t>(count));
    }
    times.insert(times.begin(), earlier.begin(), earlier.end());
  }
  if (times.empty() || count == 0)
    return std::nullopt;
  auto first = times.size() > count ? times.size() - count : 0;
  // Points of the first one's time before it; they may lie before what was looked at.
  auto time = times[first];
  auto all = range(id, property, time, time + 1, history_points_max);
  if (!all)
    return tl::unexpected<error>(std::move(all.error()));
  auto behind = static_cast<std::size_t>(
      std::count(times.begin() + static_cast<std::ptrdiff_t>(first), times.end(), time));
  auto skip = all->points.size() - std::min(all->points.size(), behind);
  return std::optional{series_position{time, skip}};
}

// ---- aggregates ---------------------------------------------------------------------------------

result<interval_page> history_reader::aggregate(std::string_view id, std::string_view property,
                                                const downsample_request& asked,
                                                std::size_t rows) const {
  interval_page made;
  auto wanted = first_rows(asked, rows);
  if (wanted.to_us != asked.to_us)
    made.next_us = wanted.to_us;
  if (auto lawful = downsample({}, wanted); !lawful)
    return tl::unexpected<error>(std::move(lawful.error()));
  std::optional<sample> held;
  if (asked.function == sample_function::time_weighted_avg && asked.from_us > time_min) {
    auto before = value_at(id, property, asked.from_us - 1);
    if (!before)
      return tl::unexpected<error>(std::move(before.error()));
    sample one;
    if (*before && convert(**before, one))
      held = one;
  }
  walk<sample> points{*this, id, property, wanted.from_us, wanted.to_us};
  if (auto ready = points.open(); !ready)
    return tl::unexpected<error>(std::move(ready.error()));
  interval_teller intervals{wanted, held};
  for (;;) {
    auto more = points.next(intervals.samples());
    if (!more)
      return tl::unexpected<error>(std::move(more.error()));
    if (!*more)
      break;
    if (auto told = intervals.tell_whole(); !told)
      return tl::unexpected<error>(std::move(told.error()));
  }
  if (auto told = intervals.tell_rest(); !told)
    return tl::unexpected<error>(std::move(told.error()));
  made.rows = intervals.take();
  return made;
}

// ---- states -------------------------------------------------------------------------------------

namespace {

// Whether `one` is at or before the moment, and behind `than` of the same property.
bool is_better(const series_point& one, const history_moment& when, const series_point* than) {
  if (when.version != 0)
    return one.version != 0 && one.version <= when.version
           && (than == nullptr || one.version >= than->version);
  return one.time_us <= when.time_us && (than == nullptr || one.time_us >= than->time_us);
}

} // namespace

// Of one day; what `known` has is settled.
result<void> history_reader::note_state(std::string_view id, std::int64_t partition,
                                        const history_moment& when, const property_states& known,
                                        property_states& found) const {
  auto prefix = twin_prefix(partition, id);
  series_points points;
  auto note = [&](std::string_view property, series_point one) {
    auto at = found.find(property);
    if (is_better(one, when, at == found.end() ? nullptr : &at->second))
      found.insert_or_assign(std::string{property}, std::move(one));
  };
  auto read = disk_->read(prefix, end_of(prefix), [&](auto key, auto block) -> result<void> {
    auto property = parse(key)->property;
    if (known.find(property) != known.end())
      return {};
    auto facts = summary_of_series(block);
    if (!facts)
      return tl::unexpected<error>(std::move(facts.error()));
    auto best = found.find(property);
    if (when.version == 0
        && (facts->time_min_us > when.time_us
            || (best != found.end() && facts->time_max_us < best->second.time_us)))
      return {};
    if (auto unpacked = unpack_series(block, points); !unpacked)
      return unpacked;
    // Points are made of those alone that are better.
    for (std::size_t i = 0; i < points.size(); ++i) {
      series_point bare{
          points.times_us[i], {}, {}, points.versions.empty() ? 0 : points.versions[i]};
      auto at = found.find(property);
      if (is_better(bare, when, at == found.end() ? nullptr : &at->second))
        found.insert_or_assign(std::string{property}, points.point(i));
    }
    return {};
  });
  if (!read)
    return read;
  if (const auto* open = open_of(id))
    for (const auto& one : *open)
      if (one.partition == partition && known.find(one.property) == known.end())
        for (const auto& point : one.points)
          note(one.property, point);
  return {};
}

result<history_reader::property_states> history_reader::state_at(std::string_view id,
                                                                 const history_moment& when) const {
  auto newest = when.version != 0 ? time_max : when.time_us;
  auto days = partitions(id, partition_of(time_min), partition_of(newest));
  if (!days)
    return tl::unexpected<error>(std::move(days.error()));
  property_states made;
  property_states none;
  for (auto day = days->rbegin(); day != days->rend(); ++day) {
    property_states found;
    // A version's time is the device's: it may lie on any day.
    auto& into = when.version != 0 ? made : found;
    if (auto noted = note_state(id, *day, when, when.version != 0 ? none : made, into); !noted)
      return tl::unexpected<error>(std::move(noted.error()));
    made.merge(found);
  }
  return made;
}

result<std::optional<series_point>> history_reader::value_at(std::string_view id,
                                                             std::string_view property,
                                                             std::int64_t time_us) const {
  auto end = time_us == time_max ? time_max : time_us + 1;
  auto where = last(id, property, time_min, end, 1);
  if (!where || !*where)
    return where ? result<std::optional<series_point>>{std::nullopt}
                 : tl::unexpected<error>(std::move(where.error()));
  auto page = range(id, property, time_min, end, 1, **where);
  if (!page)
    return tl::unexpected<error>(std::move(page.error()));
  if (page->points.empty())
    return std::nullopt;
  return std::optional{std::move(page->points.front())};
}

} // namespace gemel
