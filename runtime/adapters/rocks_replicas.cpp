#include "runtime/adapters/rocks_replicas.hpp"

#include <utility>
#include <vector>

namespace gemel {

namespace {

using family = rocks_database::family;

constexpr const char* cursor_key = "sync/cursor";
constexpr const char* pending_key = "sync/pending";
// What a key of the family begins with, then the shard. Of an entry: twin, 0, property.
constexpr char entry_kind = 'e';
constexpr char head_kind = 'h';
constexpr char position_kind = 'p';

std::string shard_key(char kind, std::uint16_t shard) {
  return {kind, static_cast<char>(shard >> 8), static_cast<char>(shard & 0xff)};
}

std::string twin_key(std::uint16_t shard, std::string_view twin) {
  auto made = shard_key(entry_kind, shard);
  made.append(twin);
  made.push_back('\0');
  return made;
}

std::string position_key(std::uint16_t shard, const peer_position& of) {
  auto made = shard_key(position_kind, shard);
  for (auto number : {static_cast<std::uint64_t>(of.site), of.incarnation})
    for (int shift = 56; shift >= 0; shift -= 8)
      made.push_back(static_cast<char>(number >> shift & 0xff));
  return made;
}

} // namespace

std::uint64_t rocks_replicas::append(const replica_record& record) {
  auto* into = in_.at(family::replicas);
  for (std::size_t i = 0; i < record.entries.size(); ++i) {
    const auto& one = record.entries[i];
    auto prefix = twin_key(record.shard, one.twin);
    // With a life goes all it held, without a word about each property.
    if (one.key == replica_keys::life && one.siblings.empty())
      static_cast<void>(batch_.DeleteRange(into, prefix, store::prefix_end(prefix)));
    prefix.append(one.key);
    packed_.clear();
    pack_entry(packed_, record.shard, record.numbers[i], one);
    static_cast<void>(batch_.Put(into, prefix, {packed_.view().data(), packed_.size()}));
  }
  replica_record head;
  head.shard = record.shard;
  head.last_change = record.last_change;
  head.forgotten = record.forgotten;
  head.clock = record.clock;
  static_cast<void>(batch_.Put(into, shard_key(head_kind, record.shard), pack_record(head)));
  if (record.position.received != 0) {
    replica_record position;
    position.shard = record.shard;
    position.position = record.position;
    static_cast<void>(
        batch_.Put(into, position_key(record.shard, record.position), pack_record(position)));
  }
  return ++appended_;
}

void rocks_replicas::forget(std::uint16_t shard, std::string_view twin, std::string_view key) {
  static_cast<void>(
      batch_.Delete(in_.at(family::replicas), twin_key(shard, twin) + std::string{key}));
}

void rocks_replicas::keep_cursor(log_position at) {
  static_cast<void>(batch_.Put(in_.at(family::meta), cursor_key, store::pack_position(at)));
}

void rocks_replicas::keep_pending(std::string_view bytes) {
  static_cast<void>(
      batch_.Put(in_.at(family::meta), pending_key, rocksdb::Slice{bytes.data(), bytes.size()}));
}

result<std::uint64_t> rocks_replicas::commit(bool sync) {
  if (batch_.Count() > 0) {
    if (auto written = in_.write(batch_); !written)
      return tl::unexpected<error>(std::move(written.error()));
    batch_.Clear();
    if (sync)
      if (auto synced = in_.sync(); !synced)
        return tl::unexpected<error>(std::move(synced.error()));
  }
  return appended_;
}

result<void> rocks_replicas::load(replicator& into) {
  std::map<std::uint16_t, std::vector<shard_replica::numbered_entry>> entries;
  auto each = [&](char kind, auto unpack, auto take) {
    std::string begin{kind};
    return in_.read(family::replicas, begin, store::prefix_end(begin),
                    [&](std::string_view, std::string_view content) -> result<void> {
                      auto record = unpack(content);
                      if (!record)
                        return tl::unexpected<error>(std::move(record.error()));
                      take(std::move(*record));
                      return {};
                    });
  };
  auto read = each(entry_kind, unpack_entry, [&](replica_entry_record&& record) {
    entries[record.shard].emplace_back(record.changed, std::move(record.entry));
  });
  if (read)
    read = each(head_kind, unpack_record, [&](replica_record&& head) {
      into.restore(head, std::exchange(entries[head.shard], {}));
    });
  if (read)
    read =
        each(position_kind, unpack_record, [&](replica_record&& record) { into.restore(record); });
  return read;
}

result<std::optional<log_position>> rocks_replicas::cursor() const {
  auto stored = in_.get(family::meta, cursor_key);
  if (!stored)
    return tl::unexpected<error>(std::move(stored.error()));
  if (!*stored)
    return std::nullopt;
  auto position = store::unpack_position(**stored);
  if (!position)
    return tl::unexpected<error>(std::move(position.error()));
  return std::optional{*position};
}

result<std::string> rocks_replicas::pending() const {
  auto stored = in_.get(family::meta, pending_key);
  if (!stored)
    return tl::unexpected<error>(std::move(stored.error()));
  return stored->value_or(std::string{});
}

result<void> rocks_replicas::clear() {
  if (auto done = in_.erase(family::replicas, {}, "\xff"); !done)
    return done;
  rocksdb::WriteBatch batch;
  static_cast<void>(batch.Delete(in_.at(family::meta), cursor_key));
  static_cast<void>(batch.Delete(in_.at(family::meta), pending_key));
  return in_.write(batch);
}

} // namespace gemel
