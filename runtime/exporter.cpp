#include "runtime/exporter.hpp"

#include <algorithm>
#include <utility>

namespace gemel {

namespace {

constexpr std::size_t records_per_look = 512;
constexpr std::int64_t keep_interval_ms = 1'000;
constexpr std::int64_t backoff_ms_min = 200;
constexpr std::int64_t backoff_ms_max = 30'000;
constexpr std::int64_t retry_after_ms_max = 300'000;
// A server that takes no smaller batch takes none.
constexpr std::size_t batch_bytes_min = 4'096;

// Ends a reading of the log that has had enough.
result<void> enough() {
  return fail(errc::limit_reached, "enough for now");
}

bool is_content_refused(int status) noexcept {
  return status == 400 || status == 422;
}

} // namespace

exporter::exporter(const model_table& models, series_source::type_lookup types, options wanted,
                   ports world)
    : options_{wanted}, world_{std::move(world)}, source_{models, std::move(types)},
      batch_bytes_{wanted.batch_bytes} {
}

void exporter::open(log_position cursor) {
  cursor_ = kept_ = measured_ = read_ = cursor;
}

bool exporter::pump(std::int64_t now_ms) {
  auto more = measure();
  keep(now_ms);
  if (is_under_way_)
    return more;
  if (backlog_bytes_ > options_.queue_bytes_max)
    return give_up_oldest() || more;
  if (attempts_ > 0 && now_ms < retry_at_ms_)
    return more;
  if (batch_.empty() && fill(now_ms))
    more = true;
  if (!batch_.empty())
    send(now_ms);
  return more;
}

// Whoever is behind has to know by how much.
bool exporter::measure() {
  if (world_.reached() <= measured_)
    return false;
  auto chunk_bytes = std::max<std::uint64_t>(options_.queue_bytes_max / 64, 1);
  std::size_t records = 0;
  auto read = world_.read_log(measured_, [&](log_position at, log_stream, std::string_view record) {
    if (++records > records_per_look)
      return enough();
    if (chunks_.empty() || chunks_.back().bytes >= chunk_bytes)
      chunks_.push_back({});
    chunks_.back().last = at;
    chunks_.back().bytes += record.size();
    backlog_bytes_ += record.size();
    measured_ = at;
    return result<void>{};
  });
  if (!read && records <= records_per_look)
    say("reading the log: " + to_string(read.error()));
  return records > records_per_look;
}

void exporter::advance(log_position to) {
  cursor_ = std::max(cursor_, to);
  while (!chunks_.empty() && chunks_.front().last <= cursor_) {
    backlog_bytes_ -= chunks_.front().bytes;
    chunks_.pop_front();
  }
}

void exporter::keep(std::int64_t now_ms) {
  if (cursor_ == kept_ || now_ms < keep_at_ms_)
    return;
  keep_at_ms_ = now_ms + keep_interval_ms;
  if (auto done = world_.keep(cursor_); done)
    kept_ = cursor_;
  else
    say("the cursor: " + to_string(done.error()));
}

void exporter::close() {
  if (cursor_ != kept_ && world_.keep(cursor_))
    kept_ = cursor_;
}

// One chunk of the log: its values are read to be counted, and so that types stay known.
bool exporter::give_up_oldest() {
  if (!batch_.empty() || !lines_.empty()) {
    counters_.lost += batch_.empty() ? lines_.values() : batch_values_;
    lines_.take();
    end_batch();
    advance(read_);
    return true;
  }
  if (chunks_.empty())
    return false;
  auto until = chunks_.front().last;
  std::size_t records = 0;
  influx_lines unwanted;
  auto read =
      world_.read_log(read_, [&](log_position at, log_stream stream, std::string_view record) {
        if (at > until || ++records > records_per_look)
          return enough();
        if (stream == log_stream::twins)
          counters_.lost += read_values(record, unwanted);
        unwanted.take();
        read_ = at;
        return result<void>{};
      });
  if (!read && read.error().code != errc::limit_reached) {
    say("reading the log: " + to_string(read.error()));
    return false;
  }
  advance(read_);
  say("the server did not keep up: values were given up, see gemel_export_lost_total");
  return true;
}

std::size_t exporter::read_values(std::string_view record, influx_lines& into) {
  std::size_t taken = 0;
  auto read = source_.read(record, [&](const series_source::taken_point& one) {
    if (into.add(one.type.name, one.id, one.property.key, one.point.content, one.point.time_us))
      ++taken;
    else if (!one.point.content.is_null())
      ++counters_.skipped;
  });
  if (!read) {
    ++counters_.unreadable;
    say(to_string(read.error()));
  }
  return taken;
}

// Reads more of the log into the batch. @returns whether there is yet more to read.
bool exporter::fill(std::int64_t now_ms) {
  std::size_t records = 0;
  auto is_full = [&] { return lines_.size() >= batch_bytes_; };
  if (!is_full() && world_.reached() > read_) {
    auto read =
        world_.read_log(read_, [&](log_position at, log_stream stream, std::string_view record) {
          if (is_full() || ++records > records_per_look)
            return enough();
          if (stream == log_stream::twins)
            read_values(record, lines_);
          read_ = at;
          return result<void>{};
        });
    if (!read && read.error().code != errc::limit_reached)
      say("reading the log: " + to_string(read.error()));
  }
  if (lines_.empty()) {
    advance(read_);
    return records > records_per_look;
  }
  begun_ms_ = begun_ms_.value_or(now_ms);
  if (is_full() || now_ms - *begun_ms_ >= options_.interval_ms) {
    batch_values_ = lines_.values();
    batch_ = lines_.take();
  }
  return records > records_per_look;
}

void exporter::send(std::int64_t) {
  is_under_way_ = true;
  world_.post(batch_);
}

void exporter::end_batch() {
  batch_.clear();
  batch_values_ = 0;
  begun_ms_.reset();
}

void exporter::answered(const export_answer& what, std::int64_t now_ms) {
  is_under_way_ = false;
  if (what.status >= 200 && what.status < 300) {
    counters_.values += batch_values_;
    counters_.bytes += batch_.size();
    if (attempts_ > 0)
      say("the server takes values again");
    attempts_ = 0;
    batch_bytes_ = std::min(options_.batch_bytes, batch_bytes_ + batch_bytes_ / 4);
    end_batch();
    advance(read_);
    return;
  }
  if (is_content_refused(what.status)) {
    counters_.refused += batch_values_;
    say("the server refused a batch: " + what.why);
    attempts_ = 0;
    end_batch();
    advance(read_);
    return;
  }
  fail_with(what, now_ms);
}

void exporter::fail_with(const export_answer& what, std::int64_t now_ms) {
  ++counters_.failures;
  attempts_ = std::min(attempts_ + 1, 16u);
  auto wait = std::min(backoff_ms_max, backoff_ms_min << (attempts_ - 1));
  // Many nodes must not come back at the same moment.
  wait = wait / 2 + static_cast<std::int64_t>(world_.random() % static_cast<std::uint64_t>(wait));
  if (what.retry_after_ms)
    wait = std::max(wait, std::min(*what.retry_after_ms, retry_after_ms_max));
  retry_at_ms_ = now_ms + wait;
  say(what.why);
  constexpr int too_large = 413;
  if (what.status != too_large)
    return;
  // The same part of the log again, in smaller batches. It is read anew.
  if (batch_bytes_ <= batch_bytes_min) {
    counters_.refused += batch_values_;
    end_batch();
    return advance(read_);
  }
  batch_bytes_ = std::max(batch_bytes_min, batch_bytes_ / 2);
  end_batch();
  read_ = cursor_;
}

// Once, until it is something else.
void exporter::say(const std::string& what) {
  if (what == said_)
    return;
  said_ = what;
  if (world_.log)
    world_.log("export: " + what);
}

} // namespace gemel
