#pragma once

#include "actors/store_port.hpp"
#include "actors/twin_state.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gemel::test {

/// A store in memory that writes when it is told to, and ends as a process or a machine does: what
/// was not written, or not synced, is gone. One thread.
class simulated_store final : public store_port {
public:
  /// What `admit` answers; `errc::none`: work is let in.
  errc refuses = errc::none;
  /// Single twins cannot be read.
  bool reads_fail = false;

  result<void> admit() const override {
    if (refuses == errc::none)
      return {};
    return fail(refuses, "the simulated disk");
  }

  result<log_position> append(log_entry entry) override {
    if (entry.stream != log_stream::none)
      ++last_;
    waiting_.push_back({log_position{last_}, std::move(entry)});
    return log_position{last_};
  }

  result<void> settle() override {
    write_all();
    return {};
  }

  log_position reached(durability level) const noexcept override {
    return log_position{level == durability::disk      ? synced_
                        : level == durability::process ? written_
                                                       : last_};
  }

  /// Writes the next `entries`, with one sync behind them if one of them asks for it.
  void write(std::size_t entries) {
    std::vector<waiting> group;
    for (; entries > 0 && !waiting_.empty(); --entries) {
      group.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    bool wants_disk = false;
    for (auto& [at, entry] : group) {
      written_ = number(at);
      if (entry.stream != log_stream::none)
        log_[written_] = {entry.stream, entry.record};
      for (const auto& one : entry.meta)
        one.content ? void(meta_[one.key] = *one.content) : void(meta_.erase(one.key));
      for (const auto& one : entry.twins)
        passive_[{one.shard, one.id}] = {written_, *one.content};
      wants_disk = wants_disk || entry.wanted == durability::disk;
    }
    if (wants_disk)
      synced_ = written_;
    for (auto& [at, entry] : group)
      if (entry.done)
        entry.done({});
    while (!snapshots_waiting_.empty() && number(snapshots_waiting_.front().position) <= written_) {
      auto made = std::move(snapshots_waiting_.front());
      snapshots_waiting_.pop_front();
      if (auto complete = complete_all(made); !complete) {
        if (made.done)
          made.done(complete);
        continue;
      }
      snapshots_[made.shard] = {made.position, std::move(made.twins)};
      std::erase_if(passive_, [&](const auto& one) {
        return one.first.first == made.shard && one.second.first <= number(made.position);
      });
      synced_ = written_; // as the real one, whose snapshots go through its log, synced
      if (made.done)
        made.done({});
    }
  }
  void write_all() {
    while (!waiting_.empty())
      write(waiting_.size());
    write(0);
  }
  std::size_t queued() const noexcept { return waiting_.size(); }
  /// Of the records that the log holds.
  std::size_t log_bytes() const noexcept {
    std::size_t bytes = 0;
    for (const auto& [at, record] : log_)
      bytes += record.second.size();
    return bytes;
  }

  /// The process ends: what waits is gone, nobody is answered.
  void end_process() {
    waiting_.clear();
    snapshots_waiting_.clear();
    passive_.clear();
    last_ = written_;
  }
  /// The machine ends: of what was not synced the first `kept` records stay.
  void end_machine(std::uint64_t kept) {
    end_process();
    written_ = last_ = std::min(written_, synced_ + kept);
    log_.erase(log_.upper_bound(last_), log_.end());
  }

  result<void> write_snapshot(shard_snapshot made) override {
    snapshots_waiting_.push_back(std::move(made));
    return {};
  }
  std::map<shard_id, snapshot_info> snapshots() const override {
    std::map<shard_id, snapshot_info> made;
    for (const auto& [shard, known] : snapshots_)
      made[shard] = {known.first, known.second.size()};
    return made;
  }
  result<void> read_snapshot(shard_id shard, const twin_sink& each) const override {
    auto known = snapshots_.find(shard);
    if (known == snapshots_.end())
      return {};
    for (const auto& [id, packed] : known->second.second)
      if (auto taken = each(id, packed); !taken)
        return taken;
    return {};
  }
  result<std::optional<std::string>> read_twin(shard_id shard, std::string_view id) const override {
    if (reads_fail)
      return fail(errc::io_failed, "the simulated disk");
    if (auto known = passive_.find({shard, std::string{id}}); known != passive_.end())
      return known->second.second;
    if (auto known = snapshots_.find(shard); known != snapshots_.end())
      if (auto twin = known->second.second.find(std::string{id});
          twin != known->second.second.end())
        return twin->second;
    return std::optional<std::string>{};
  }
  result<void> read_log(log_position after, const record_sink& each) const override {
    for (auto i = log_.upper_bound(number(after)); i != log_.end(); ++i)
      if (auto taken = each(log_position{i->first}, i->second.first, i->second.second); !taken)
        return taken;
    return {};
  }
  result<std::optional<std::string>> read_meta(std::string_view key) const override {
    auto known = meta_.find(std::string{key});
    return known != meta_.end() ? std::optional{known->second} : std::nullopt;
  }
  result<void> read_meta_all(std::string_view prefix, const meta_sink& each) const override {
    for (const auto& [key, content] : meta_)
      if (key.starts_with(prefix))
        if (auto taken = each(key, content); !taken)
          return taken;
    return {};
  }
  result<void> retain(std::string_view, std::optional<log_position>) override { return {}; }
  log_position trimmed() const override { return log_position{trimmed_}; }
  result<log_position> trim(log_position checkpoint) override {
    trimmed_ = std::max(trimmed_, std::min(number(checkpoint), written_));
    log_.erase(log_.begin(), log_.upper_bound(trimmed_));
    return log_position{trimmed_};
  }

  std::size_t records() const noexcept { return log_.size(); }
  std::size_t passive_count() const noexcept { return passive_.size(); }
  std::size_t snapshot_count() const noexcept { return snapshots_.size(); }

private:
  result<void> complete_all(shard_snapshot& made) const {
    for (const auto& id : made.passive) {
      auto known = read_twin(made.shard, id);
      if (!known)
        return tl::unexpected<error>(std::move(known.error()));
      if (!*known)
        return fail(errc::store_corrupt, id + " is nowhere");
      auto complete = complete_twin(made.twins[id], **known);
      if (!complete)
        return tl::unexpected<error>(std::move(complete.error()));
      made.twins[id] = std::move(*complete);
    }
    return {};
  }
  struct waiting {
    log_position at;
    log_entry entry;
  };
  static std::uint64_t number(log_position at) noexcept { return static_cast<std::uint64_t>(at); }

  std::uint64_t last_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t synced_ = 0;
  std::uint64_t trimmed_ = 0;
  std::deque<waiting> waiting_;
  std::deque<shard_snapshot> snapshots_waiting_;
  std::map<std::uint64_t, std::pair<log_stream, std::string>> log_;
  std::map<shard_id, std::pair<log_position, std::map<std::string, std::string>>> snapshots_;
  std::map<std::string, std::string> meta_;
  std::map<std::pair<shard_id, std::string>, std::pair<std::uint64_t, std::string>> passive_;
};

} // namespace gemel::test
