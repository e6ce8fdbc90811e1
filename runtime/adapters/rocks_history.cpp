#include "runtime/adapters/rocks_history.hpp"

#include <memory>

namespace gemel {

namespace {

using family = rocks_database::family;

constexpr const char* cursor_key = "history/cursor";

rocksdb::Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}

} // namespace

result<void> rocks_history::write(const std::vector<std::pair<std::string, std::string>>& blocks,
                                  log_position cursor) {
  rocksdb::WriteBatch batch;
  for (const auto& [key, block] : blocks)
    static_cast<void>(batch.Put(in_.at(family::history), key, block));
  static_cast<void>(batch.Put(in_.at(family::meta), cursor_key, store::pack_position(cursor)));
  return in_.write(batch);
}

// Blocks of one series lie side by side: no read-ahead, unlike in `rocks_database::read`.
result<void> rocks_history::read(std::string_view begin, std::string_view end,
                                 const pair_sink& each) const {
  auto upper = slice(end);
  rocksdb::ReadOptions with;
  with.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> at{in_.db().NewIterator(with, in_.at(family::history))};
  for (at->Seek(slice(begin)); at->Valid(); at->Next())
    if (auto taken = each(at->key().ToStringView(), at->value().ToStringView()); !taken)
      return taken;
  if (!at->status().ok())
    return tl::unexpected<error>(error_of(at->status(), "reading history"));
  return {};
}

result<std::string> rocks_history::first_key(std::string_view begin) const {
  std::unique_ptr<rocksdb::Iterator> at{in_.db().NewIterator({}, in_.at(family::history))};
  at->Seek(slice(begin));
  if (at->Valid())
    return at->key().ToString();
  if (!at->status().ok())
    return tl::unexpected<error>(error_of(at->status(), "reading history"));
  return std::string{};
}

result<void> rocks_history::erase(std::string_view begin, std::string_view end) {
  return in_.erase(family::history, begin, end);
}

result<std::optional<log_position>> rocks_history::cursor() const {
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

std::uint64_t rocks_history::bytes() const {
  return in_.property(family::history, "rocksdb.estimate-live-data-size");
}

} // namespace gemel
