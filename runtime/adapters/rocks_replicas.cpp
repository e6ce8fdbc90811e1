#include "runtime/adapters/rocks_replicas.hpp"

#include <utility>
#include <vector>

namespace gemel {

namespace {

using family = rocks_database::family;

constexpr const char* cursor_key = "sync/cursor";
constexpr const char* pending_key = "sync/pending";
constexpr const char* links_key = "sync/links";

} // namespace

void rocks_replicas::put(std::string_view key, std::string_view bytes) {
  static_cast<void>(batch_.Put(in_.at(family::replicas), rocksdb::Slice{key.data(), key.size()},
                               rocksdb::Slice{bytes.data(), bytes.size()}));
}

void rocks_replicas::erase(std::string_view begin, std::string_view end) {
  static_cast<void>(batch_.DeleteRange(in_.at(family::replicas),
                                       rocksdb::Slice{begin.data(), begin.size()},
                                       rocksdb::Slice{end.data(), end.size()}));
}

std::uint64_t rocks_replicas::append(const replica_head& head,
                                     std::span<const changed_entry> changes,
                                     const shard_replica& of) {
  keeper_.append(head, changes, of);
  return ++appended_;
}

void rocks_replicas::keep_cursor(log_position at) {
  static_cast<void>(batch_.Put(in_.at(family::meta), cursor_key, store::pack_position(at)));
}

void rocks_replicas::keep_pending(std::string_view bytes) {
  static_cast<void>(
      batch_.Put(in_.at(family::meta), pending_key, rocksdb::Slice{bytes.data(), bytes.size()}));
}

void rocks_replicas::keep_links(std::string_view bytes) {
  static_cast<void>(
      batch_.Put(in_.at(family::meta), links_key, rocksdb::Slice{bytes.data(), bytes.size()}));
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
  replica_loader loader{keeper_, into};
  auto read =
      in_.read(family::replicas, {}, "\xff", [&](std::string_view key, std::string_view bytes) {
        return loader.take(key, bytes);
      });
  return read ? loader.finish() : read;
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
  return kept(pending_key);
}

result<std::string> rocks_replicas::links() const {
  return kept(links_key);
}

result<std::string> rocks_replicas::kept(const char* key) const {
  auto stored = in_.get(family::meta, key);
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
  static_cast<void>(batch.Delete(in_.at(family::meta), links_key));
  return in_.write(batch);
}

} // namespace gemel
