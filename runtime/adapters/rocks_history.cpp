#include "runtime/adapters/rocks_history.hpp"

#include <memory>

namespace gemel {

namespace {

using family = rocks_database::family;

constexpr const char* cursor_key = "history/cursor";

rocksdb::Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}

// Blocks of one series lie side by side: no read-ahead, unlike in `rocks_database::read`.
result<void> read_pairs(rocks_database& in, rocksdb::ReadOptions with, std::string_view begin,
                        std::string_view end, const history_view::pair_sink& each) {
  auto upper = slice(end);
  with.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> at{in.db().NewIterator(with, in.at(family::history))};
  for (at->Seek(slice(begin)); at->Valid(); at->Next())
    if (auto taken = each(at->key().ToStringView(), at->value().ToStringView()); !taken)
      return taken;
  if (!at->status().ok())
    return tl::unexpected<error>(error_of(at->status(), "reading history"));
  return {};
}

result<std::string> find_first(rocks_database& in, const rocksdb::ReadOptions& with,
                               std::string_view begin) {
  std::unique_ptr<rocksdb::Iterator> at{in.db().NewIterator(with, in.at(family::history))};
  at->Seek(slice(begin));
  if (at->Valid())
    return at->key()[0] == history_keys::behind_blocks ? std::string{} : at->key().ToString();
  if (!at->status().ok())
    return tl::unexpected<error>(error_of(at->status(), "reading history"));
  return std::string{};
}

class rocks_view final : public history_view {
public:
  explicit rocks_view(rocks_database& in) : in_{in}, snapshot_{in.db().GetSnapshot()} {}
  ~rocks_view() override { in_.db().ReleaseSnapshot(snapshot_); }
  rocks_view(const rocks_view&) = delete;
  rocks_view& operator=(const rocks_view&) = delete;

  result<void> read(std::string_view begin, std::string_view end,
                    const pair_sink& each) const override {
    return read_pairs(in_, options(), begin, end, each);
  }
  result<std::string> first_key(std::string_view begin) const override {
    return find_first(in_, options(), begin);
  }

private:
  rocksdb::ReadOptions options() const {
    rocksdb::ReadOptions made;
    made.snapshot = snapshot_;
    return made;
  }

  rocks_database& in_;
  const rocksdb::Snapshot* snapshot_;
};

} // namespace

result<void> rocks_history::write(const history_batch& made) {
  rocksdb::WriteBatch batch;
  for (const auto& [key, block] : made.blocks)
    static_cast<void>(batch.Put(in_.at(family::history), key, block));
  for (const auto& [id, type] : made.types) {
    auto key = history_keys::type_key(id);
    static_cast<void>(type ? batch.Put(in_.at(family::history), key, *type)
                           : batch.Delete(in_.at(family::history), key));
  }
  static_cast<void>(batch.Put(in_.at(family::meta), cursor_key, store::pack_position(made.cursor)));
  return in_.write(batch);
}

result<void> rocks_history::read(std::string_view begin, std::string_view end,
                                 const pair_sink& each) const {
  return read_pairs(in_, {}, begin, end, each);
}

result<std::string> rocks_history::first_key(std::string_view begin) const {
  return find_first(in_, {}, begin);
}

result<std::optional<std::pair<std::string, std::string>>>
rocks_history::last_pair(std::string_view begin, std::string_view end) const {
  rocksdb::ReadOptions with;
  auto lower = slice(begin);
  with.iterate_lower_bound = &lower;
  std::unique_ptr<rocksdb::Iterator> at{in_.db().NewIterator(with, in_.at(family::history))};
  at->SeekForPrev(slice(end));
  if (at->Valid())
    return std::optional{std::pair{at->key().ToString(), at->value().ToString()}};
  if (!at->status().ok())
    return tl::unexpected<error>(error_of(at->status(), "reading history"));
  return std::nullopt;
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

result<std::optional<std::string>> rocks_history::type_of(std::string_view id) const {
  return in_.get(family::history, history_keys::type_key(id));
}

std::uint64_t rocks_history::bytes() const {
  return in_.property(family::history, "rocksdb.estimate-live-data-size");
}

std::unique_ptr<history_view> rocks_history::snapshot() const {
  return std::make_unique<rocks_view>(in_);
}

} // namespace gemel
