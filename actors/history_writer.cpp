#include "actors/history_writer.hpp"

#include "actors/log_record.hpp"

#include <algorithm>
#include <limits>

namespace gemel {

namespace {

constexpr std::int64_t us_per_ms = 1'000;
// A block with fewer points is written anew with those that follow.
constexpr std::uint32_t block_points_good = 4'096;
// Types of twins that are remembered.
constexpr std::size_t types_known_max = 1'000'000;

std::int64_t partition_of(std::int64_t time_us) noexcept {
  auto day = time_us / history_partition_us;
  return time_us % history_partition_us < 0 ? day - 1 : day;
}

void append_big_endian(std::string& out, std::uint64_t number, int bytes) {
  for (auto shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(number >> shift));
}

std::uint64_t read_big_endian(std::string_view bytes) noexcept {
  std::uint64_t number = 0;
  for (auto byte : bytes)
    number = number << 8 | static_cast<std::uint8_t>(byte);
  return number;
}

constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63;
constexpr std::size_t partition_bytes = 8;
constexpr std::size_t number_bytes = 4;

std::string partition_key(std::int64_t partition) {
  std::string made;
  append_big_endian(made, static_cast<std::uint64_t>(partition) ^ sign_bit, partition_bytes);
  return made;
}

std::int64_t partition_in(std::string_view key) noexcept {
  return static_cast<std::int64_t>(read_big_endian(key.substr(0, partition_bytes)) ^ sign_bit);
}

std::string twin_prefix(std::int64_t partition, std::string_view id) {
  auto made = partition_key(partition);
  made.append(id).push_back('\0');
  return made;
}

std::string series_prefix(std::int64_t partition, std::string_view id, std::string_view property) {
  auto made = twin_prefix(partition, id);
  made.append(property).push_back('\0');
  return made;
}

std::string block_key(const std::string& prefix, std::uint32_t number) {
  auto made = prefix;
  append_big_endian(made, number, number_bytes);
  return made;
}

// Prefixes end in 0, and nothing else of a name does.
std::string end_of(std::string prefix) {
  prefix.back() = '\1';
  return prefix;
}

std::int64_t time_of(const stored_event& event) noexcept {
  return event.source_time_us != 0 ? event.source_time_us : unix_ms(event.time) * us_per_ms;
}

bool is_earlier(const series_point& left, const series_point& right) noexcept {
  return left.time_us < right.time_us;
}

// Whether the event says what a property is.
bool tells_values(event_kind kind) noexcept {
  return kind == event_kind::created || kind == event_kind::updated;
}

} // namespace

history_writer::history_writer(const model_table& models, history_port& disk, type_lookup types,
                               options wanted)
    : models_{models}, disk_{disk}, types_{std::move(types)}, options_{wanted} {
}

result<log_position> history_writer::open(log_position start) {
  auto found = disk_.cursor();
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  taken_ = durable_ = std::max(found->value_or(start), start);
  return taken_;
}

void history_writer::pass(log_position at) {
  taken_ = std::max(taken_, at);
  if (open_points_ == 0)
    durable_ = taken_;
}

const type_model* history_writer::model_of(std::string_view id) {
  id_ = id;
  if (auto found = known_.find(id_); found != known_.end())
    return found->second;
  auto type = types_(id);
  const auto* model = type ? models_.find(*type) : nullptr;
  if (type && known_.size() < types_known_max)
    known_.emplace(id_, model);
  return model;
}

result<void> history_writer::take(log_position at, std::string_view record, std::int64_t now_us) {
  if (at <= taken_)
    return {};
  auto reader = log_record_reader::open(record);
  if (!reader)
    return tl::unexpected<error>(std::move(reader.error()));
  stored_event event;
  for (;;) {
    auto more = reader->next(event);
    if (!more)
      return tl::unexpected<error>(std::move(more.error()));
    if (!*more)
      break;
    take_event(event, now_us);
  }
  taken_ = at;
  if (open_points_ == 0)
    durable_ = taken_;
  return {};
}

void history_writer::take_event(const stored_event& event, std::int64_t now_us) {
  if (event.kind == event_kind::created)
    known_[std::string{event.id}] = models_.find(event.type);
  if (tells_values(event.kind) && !event.changes.empty()) {
    const auto* model = model_of(event.id);
    auto time_us = time_of(event);
    for (const auto& change : event.changes) {
      const auto* property = model != nullptr ? model->find(change.key) : nullptr;
      if (property == nullptr || !property->history)
        continue;
      if (time_us < floor_us_) {
        ++counters_.late;
        continue;
      }
      if (open_points_ == 0)
        oldest_open_us_ = now_us;
      add(event.id, change.key,
          {time_us, change.at.time, change.removed ? value{} : change.content});
    }
  }
  if (event.kind == event_kind::removed)
    known_.erase(std::string{event.id});
}

void history_writer::add(std::string_view id, std::string_view property, series_point point) {
  auto day = partition_of(point.time_us);
  prefix_.clear();
  append_big_endian(prefix_, static_cast<std::uint64_t>(day) ^ sign_bit, partition_bytes);
  prefix_.append(id).push_back('\0');
  prefix_.append(property).push_back('\0');
  auto [into, is_new] = open_.try_emplace(prefix_);
  if (is_new)
    open_days_.insert(day);
  into->second.push_back(std::move(point));
  ++open_points_;
  ++counters_.points;
}

result<void> history_writer::tick(std::int64_t now_us) {
  if (open_points_ >= options_.open_points_max
      || (open_points_ > 0 && now_us - oldest_open_us_ >= options_.open_us_max))
    if (auto done = flush(); !done)
      return done;
  return drop_old(now_us);
}

result<void> history_writer::flush() {
  std::vector<std::pair<std::string, std::string>> blocks;
  for (auto& [prefix, one] : open_)
    if (auto packed = pack(prefix, one, blocks); !packed)
      return packed;
  if (auto written = disk_.write(blocks, taken_); !written)
    return written;
  for (const auto& [key, block] : blocks) {
    ++counters_.blocks;
    counters_.block_bytes += block.size();
  }
  open_.clear();
  open_days_.clear();
  open_points_ = 0;
  durable_ = taken_;
  return {};
}

// A day's last block is written anew while it is small, so that slow series have few large ones.
result<void> history_writer::pack(const std::string& prefix, const point_list& from,
                                  std::vector<std::pair<std::string, std::string>>& out) const {
  std::uint32_t number = 0;
  std::string last;
  auto read = disk_.read(prefix, end_of(prefix), [&](auto key, auto block) -> result<void> {
    number = static_cast<std::uint32_t>(read_big_endian(key.substr(prefix.size())));
    last = block;
    return {};
  });
  if (!read)
    return read;
  std::vector<series_point> all;
  if (!last.empty()) {
    auto facts = summary_of_series(last);
    if (facts && facts->points < block_points_good) {
      series_points before;
      if (auto known = unpack_series(last, before); !known)
        return known;
      for (std::size_t i = 0; i < before.size(); ++i)
        all.push_back(before.point(i));
    } else {
      ++number;
    }
  }
  all.insert(all.end(), from.begin(), from.end());
  std::stable_sort(all.begin(), all.end(), is_earlier);
  for (std::size_t begin = 0; begin < all.size(); begin += series_points_max, ++number)
    out.emplace_back(block_key(prefix, number),
                     pack_series(std::span{all}.subspan(
                         begin, std::min(series_points_max, all.size() - begin))));
  return {};
}

result<void> history_writer::drop_old(std::int64_t now_us) {
  if (options_.keep_us > 0) {
    auto first = partition_of(now_us - options_.keep_us);
    floor_us_ = first * history_partition_us;
    auto key = disk_.first_key({});
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    if (!key->empty() && partition_in(*key) < first) {
      if (auto gone = disk_.erase(*key, partition_key(first)); !gone)
        return gone;
      ++counters_.partitions_dropped;
    }
  }
  if (options_.bytes_max == 0 || disk_.bytes() <= options_.bytes_max)
    return {};
  auto key = disk_.first_key({});
  if (!key || key->empty())
    return {};
  auto next = partition_in(*key) + 1;
  auto more = disk_.first_key(partition_key(next));
  if (!more || more->empty()) // The newest one stays.
    return {};
  ++counters_.partitions_dropped;
  return disk_.erase(*key, partition_key(next));
}

// ---- answers ------------------------------------------------------------------------------------

result<std::vector<std::int64_t>> history_writer::partitions(std::int64_t from,
                                                             std::int64_t to) const {
  std::vector<std::int64_t> made;
  auto begin = partition_key(from);
  for (;;) {
    auto key = disk_.first_key(begin);
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    if (key->empty() || partition_in(*key) > to)
      break;
    made.push_back(partition_in(*key));
    begin = partition_key(made.back() + 1);
  }
  for (auto i = open_days_.lower_bound(from); i != open_days_.end() && *i <= to; ++i)
    made.push_back(*i);
  std::sort(made.begin(), made.end());
  made.erase(std::unique(made.begin(), made.end()), made.end());
  return made;
}

result<void> history_writer::collect(const std::string& prefix, std::int64_t from_us,
                                     std::int64_t to_us, std::vector<series_point>& out) const {
  auto first = out.size();
  series_points points;
  auto read = disk_.read(prefix, end_of(prefix), [&](auto, auto block) -> result<void> {
    auto facts = summary_of_series(block);
    if (!facts)
      return tl::unexpected<error>(std::move(facts.error()));
    if (facts->time_max_us < from_us || facts->time_min_us >= to_us)
      return {};
    if (auto known = unpack_series(block, points); !known)
      return known;
    for (std::size_t i = 0; i < points.size(); ++i)
      if (points.times_us[i] >= from_us && points.times_us[i] < to_us)
        out.push_back(points.point(i));
    if (out.size() > history_points_max)
      return fail(errc::limit_reached, "more than " + std::to_string(history_points_max)
                                           + " points: ask for a shorter time");
    return {};
  });
  if (!read)
    return read;
  if (auto found = open_.find(prefix); found != open_.end())
    for (const auto& one : found->second)
      if (one.time_us >= from_us && one.time_us < to_us)
        out.push_back(one);
  std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), is_earlier);
  return {};
}

result<std::vector<series_point>> history_writer::range(std::string_view id,
                                                        std::string_view property,
                                                        std::int64_t from_us, std::int64_t to_us,
                                                        std::size_t last) const {
  std::vector<series_point> made;
  if (from_us >= to_us)
    return fail(errc::bad_value, "the range ends before it begins");
  auto days = partitions(partition_of(from_us), partition_of(to_us - 1));
  if (!days)
    return tl::unexpected<error>(std::move(days.error()));
  if (last == 0) {
    for (auto day : *days)
      if (auto read = collect(series_prefix(day, id, property), from_us, to_us, made); !read)
        return tl::unexpected<error>(std::move(read.error()));
    return made;
  }
  for (auto day = days->rbegin(); day != days->rend() && made.size() < last; ++day) {
    std::vector<series_point> earlier;
    if (auto read = collect(series_prefix(*day, id, property), from_us, to_us, earlier); !read)
      return tl::unexpected<error>(std::move(read.error()));
    made.insert(made.begin(), earlier.begin(), earlier.end());
  }
  if (made.size() > last)
    made.erase(made.begin(), made.end() - static_cast<std::ptrdiff_t>(last));
  return made;
}

result<std::vector<interval_row>> history_writer::aggregate(std::string_view id,
                                                            std::string_view property,
                                                            const downsample_request& asked) const {
  auto points = range(id, property, asked.from_us, asked.to_us);
  if (!points)
    return tl::unexpected<error>(std::move(points.error()));
  std::vector<sample> samples;
  samples.reserve(points->size() + 1);
  auto add = [&](const series_point& one) {
    if (auto number = one.content.number())
      samples.push_back({one.time_us, *number});
  };
  if (asked.function == sample_function::time_weighted_avg
      && asked.from_us > std::numeric_limits<std::int64_t>::min()) {
    auto before = range(id, property, std::numeric_limits<std::int64_t>::min(), asked.from_us, 1);
    if (!before)
      return tl::unexpected<error>(std::move(before.error()));
    for (const auto& one : *before)
      add(one);
  }
  for (const auto& one : *points)
    add(one);
  return downsample(samples, asked);
}

result<std::map<std::string, series_point>> history_writer::state_at(std::string_view id,
                                                                     std::int64_t time_us) const {
  std::map<std::string, series_point> made;
  auto days =
      partitions(partition_of(std::numeric_limits<std::int64_t>::min()), partition_of(time_us));
  if (!days)
    return tl::unexpected<error>(std::move(days.error()));
  auto end_us = time_us == std::numeric_limits<std::int64_t>::max() ? time_us : time_us + 1;
  for (auto day : *days) {
    auto prefix = twin_prefix(day, id);
    std::vector<std::string> found;
    auto note = [&](std::string_view key) {
      auto rest = key.substr(prefix.size());
      std::string name{rest.substr(0, rest.find('\0'))};
      if (found.empty() || found.back() != name)
        found.push_back(std::move(name));
    };
    auto read = disk_.read(prefix, end_of(prefix), [&](auto key, auto) -> result<void> {
      note(key);
      return {};
    });
    if (!read)
      return tl::unexpected<error>(std::move(read.error()));
    if (open_days_.contains(day))
      for (const auto& [name, one] : open_)
        if (name.starts_with(prefix))
          note(name);
    for (const auto& name : found) {
      std::vector<series_point> points;
      if (auto known = collect(prefix + name + '\0', std::numeric_limits<std::int64_t>::min(),
                               end_us, points);
          !known)
        return tl::unexpected<error>(std::move(known.error()));
      if (!points.empty())
        made.insert_or_assign(name, points.back());
    }
  }
  return made;
}

} // namespace gemel
