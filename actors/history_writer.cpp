#include "actors/history_writer.hpp"

#include <algorithm>
#include <limits>

namespace gemel {

namespace {

using namespace history_keys;

// A block with fewer points is written anew with those that follow.
constexpr std::uint32_t block_points_good = 4'096;
// Series that one call of `tick` looks at.
constexpr std::size_t sweep_series_max = 1'024;

bool is_earlier(const series_point& left, const series_point& right) noexcept {
  return left.time_us < right.time_us;
}

} // namespace

history_writer::history_writer(const model_table& models, history_port& disk,
                               series_source::type_lookup types, options wanted)
    : disk_{disk}, options_{wanted}, source_{models,
                                             [this, types = std::move(types)](std::string_view id)
                                                 -> std::optional<std::string> {
                                               if (auto known = disk_.type_of(id); known && *known)
                                                 return *known;
                                               return types(id);
                                             }},
      keep_min_us_{wanted.keep_us}, keep_max_us_{wanted.keep_us} {
  source_.on_type([this](std::string_view id, const type_model* type) {
    types_.emplace_back(id, type != nullptr ? std::optional{type->name} : std::nullopt);
  });
  auto is_longer = [](std::int64_t a, std::int64_t b) { return b != 0 && (a == 0 || a > b); };
  for (const auto& [name, type] : models.all())
    for (const auto& property : type.properties)
      if (auto keep = keep_of(type, property); property.history) {
        keep_max_us_ = is_longer(keep, keep_max_us_) ? keep : keep_max_us_;
        keep_min_us_ = is_longer(keep_min_us_, keep) ? keep : keep_min_us_;
      }
}

std::int64_t history_writer::keep_of(const type_model& type,
                                     const property_model& property) const noexcept {
  if (property.history_keep_us != 0)
    return property.history_keep_us;
  return type.history_keep_us != 0 ? type.history_keep_us : options_.keep_us;
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
  if (open_points_ == 0 && types_.empty())
    durable_ = taken_;
}

result<void> history_writer::take(log_position at, std::string_view record, std::int64_t now_us) {
  if (at <= taken_)
    return {};
  if (open_points_ == 0 && types_.empty())
    oldest_open_us_ = now_us;
  auto read =
      source_.read(record, [&](const series_source::taken_point& point) { add(point, now_us); });
  if (!read)
    return read;
  pass(at);
  return {};
}

void history_writer::add(const series_source::taken_point& point, std::int64_t now_us) {
  auto day = partition_of(point.point.time_us);
  auto keep = keep_of(point.type, point.property);
  now_us_ = std::max(now_us_, now_us);
  if (keep > 0 && day < partition_of(now_us_ - keep)) {
    ++counters_.late;
    return;
  }
  auto found = open_.find(point.id);
  if (found == open_.end())
    found = open_.try_emplace(std::string{point.id}).first;
  auto& all = found->second;
  auto into = std::find_if(all.begin(), all.end(), [&](const open_series& one) {
    return one.partition == day && one.property == point.property.key;
  });
  if (into == all.end())
    into = all.insert(all.end(), {point.property.key, day, {}});
  into->points.push_back(std::move(point.point));
  ++open_points_;
  ++counters_.points;
}

result<void> history_writer::tick(std::int64_t now_us) {
  now_us_ = std::max(now_us_, now_us);
  // Types are small, and many when many twins are made.
  auto is_much = open_points_ >= options_.open_points_max || types_.size() >= 65'536;
  auto is_late =
      (open_points_ > 0 || !types_.empty()) && now_us - oldest_open_us_ >= options_.open_us_max;
  if (is_much || is_late)
    if (auto done = flush(); !done)
      return done;
  if (auto dropped = drop_old(now_us); !dropped)
    return dropped;
  begin_sweep(now_us);
  return sweep();
}

result<void> history_writer::flush() {
  history_batch batch;
  for (auto& [id, all] : open_)
    for (const auto& one : all)
      if (auto packed = pack(id, one, batch.blocks); !packed)
        return packed;
  batch.types = types_;
  batch.cursor = taken_;
  if (auto written = disk_.write(batch); !written)
    return written;
  for (const auto& [key, block] : batch.blocks) {
    ++counters_.blocks;
    counters_.block_bytes += block.size();
  }
  open_.clear();
  types_.clear();
  open_points_ = 0;
  durable_ = taken_;
  return {};
}

// A day's last block is written anew while it is small, so that slow series have few large ones.
result<void> history_writer::pack(std::string_view id, const open_series& from,
                                  block_list& out) const {
  auto prefix = series_prefix(from.partition, id, from.property);
  auto last = disk_.last_pair(prefix, end_of(prefix));
  if (!last)
    return tl::unexpected<error>(std::move(last.error()));
  std::uint32_t number = 0;
  std::vector<series_point> all;
  if (*last) {
    const auto& [key, block] = **last;
    auto facts = summary_of_series(block);
    number = parse(key)->number;
    if (facts && facts->points < block_points_good) {
      series_points before;
      if (auto known = unpack_series(block, before); !known)
        return known;
      for (std::size_t i = 0; i < before.size(); ++i)
        all.push_back(before.point(i));
    } else {
      ++number;
    }
  }
  all.insert(all.end(), from.points.begin(), from.points.end());
  if (!std::is_sorted(all.begin(), all.end(), is_earlier))
    std::stable_sort(all.begin(), all.end(), is_earlier);
  for (std::size_t begin = 0; begin < all.size(); begin += series_points_max, ++number)
    out.emplace_back(block_key(prefix, number),
                     pack_series(std::span{all}.subspan(
                         begin, std::min(series_points_max, all.size() - begin))));
  return {};
}

// ---- retention ----------------------------------------------------------------------------------

// Days that no property keeps any more go as a whole.
result<void> history_writer::drop_old(std::int64_t now_us) {
  if (keep_max_us_ > 0) {
    auto first = partition_of(now_us - keep_max_us_);
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
  return drop_large();
}

result<void> history_writer::drop_large() {
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

void history_writer::begin_sweep(std::int64_t now_us) {
  auto today = partition_of(now_us);
  if (keep_min_us_ == keep_max_us_ || today == swept_day_)
    return;
  swept_day_ = today;
  sweep_now_us_ = now_us;
  sweep_at_ = partition_key(std::numeric_limits<std::int64_t>::min());
}

// Series whose property keeps less than others, once a day, a part of them in each call.
result<void> history_writer::sweep() {
  auto first_kept = partition_of(sweep_now_us_ - keep_min_us_);
  for (std::size_t i = 0; i < sweep_series_max && !sweep_at_.empty(); ++i) {
    auto key = disk_.first_key(sweep_at_);
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    auto series = parse(*key);
    if (!series || series->partition >= first_kept) {
      sweep_at_.clear();
      return {};
    }
    auto prefix = series_prefix(series->partition, series->id, series->property);
    auto dropped = sweep_series(*series);
    if (!dropped)
      return tl::unexpected<error>(std::move(dropped.error()));
    sweep_at_ = end_of(std::move(prefix));
  }
  return {};
}

result<bool> history_writer::sweep_series(const history_keys::parts& series) {
  const auto* type = source_.model_of(series.id);
  const auto* property = type != nullptr ? type->find(series.property) : nullptr;
  auto keep = property != nullptr ? keep_of(*type, *property) : options_.keep_us;
  if (keep == 0 || series.partition >= partition_of(sweep_now_us_ - keep))
    return false;
  auto prefix = series_prefix(series.partition, series.id, series.property);
  if (auto gone = disk_.erase(prefix, end_of(prefix)); !gone)
    return tl::unexpected<error>(std::move(gone.error()));
  ++counters_.series_dropped;
  return true;
}

// ---- answers ------------------------------------------------------------------------------------

history_reader history_writer::look(std::span<const std::string> ids) const {
  history_reader made{disk_.snapshot()};
  for (const auto& id : ids)
    if (auto found = open_.find(id); found != open_.end())
      made.add_open(id, found->second);
  return made;
}

} // namespace gemel
