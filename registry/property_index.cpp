#include "registry/property_index.hpp"

#include "messages/error.hpp"
#include "registry/query.hpp"

#include <absl/container/btree_set.h>

namespace gemel {

namespace {

using entry = property_index::entry;

std::weak_ordering compare_keys(const value& a, const value& b) {
  // The common case, without the rules of kinds; a NaN takes the long way.
  if (a.is_real() && b.is_real()) {
    auto order = a.as_real() <=> b.as_real();
    if (order < 0)
      return std::weak_ordering::less;
    if (order > 0)
      return std::weak_ordering::greater;
    if (order == 0)
      return std::weak_ordering::equivalent;
  }
  return compare_sort_keys(a, b);
}

// Integers and doubles have one rank, as in `compare_sort_keys`.
int rank_of(const value& content) noexcept {
  return static_cast<int>(content.is_real() ? value_kind::integer : content.kind());
}

// A place between entries: before (`side` -1) or behind (1) all entries of a key, or of a rank when
// there is no key.
struct probe {
  int rank;
  const value* key;
  int side;
};

// Below zero: the entry stands before the probe.
int compare_to(const entry& e, const probe& p) {
  if (auto rank = rank_of(e.key); rank != p.rank)
    return rank < p.rank ? -1 : 1;
  if (p.key != nullptr) {
    auto order = compare_keys(e.key, *p.key);
    if (order != 0)
      return order < 0 ? -1 : 1;
  }
  return -p.side;
}

struct before {
  using is_transparent = void;
  bool operator()(const entry& a, const entry& b) const {
    auto order = compare_keys(a.key, b.key);
    return order != 0 ? order < 0 : a.row < b.row;
  }
  bool operator()(const entry& a, const probe& b) const { return compare_to(a, b) < 0; }
  bool operator()(const probe& a, const entry& b) const { return compare_to(b, a) > 0; }
};

// The side of a bound; one that was cut stands for longer values too and is never left out.
probe low_end(const key_range& in, int rank, const value& key, bool cut) {
  if (in.low.is_null())
    return {rank, nullptr, -1};
  return {rank, &key, in.low_open && !cut ? 1 : -1};
}

probe high_end(const key_range& in, int rank, const value& key, bool cut) {
  if (in.high.is_null())
    return {rank, nullptr, 1};
  return {rank, &key, in.high_open && !cut ? -1 : 1};
}

} // namespace

key_range key_range::point(value at) {
  return {at, at, false, false, at};
}

struct property_index::tree {
  absl::btree_set<entry, before> entries;
};

property_index::property_index() : tree_{std::make_unique<tree>()} {
}

property_index::~property_index() = default;
property_index::property_index(property_index&&) noexcept = default;
property_index& property_index::operator=(property_index&&) noexcept = default;

void property_index::insert(const value* content, std::uint32_t row) {
  auto fresh = tree_->entries.insert({sort_key(content), row}).second;
  GEMEL_CHECK(fresh);
}

void property_index::erase(const value* content, std::uint32_t row) {
  auto erased = tree_->entries.erase({sort_key(content), row});
  GEMEL_CHECK(erased == 1);
}

std::size_t property_index::size() const noexcept {
  return tree_->entries.size();
}

std::size_t property_index::find(const key_range& in, std::size_t count_max,
                                 std::vector<std::uint32_t>& rows) const {
  auto low = sort_key(&in.low);
  auto high = sort_key(&in.high);
  auto rank = rank_of(!low.is_null() ? low : !high.is_null() ? high : in.kind_of);
  auto end = high_end(in, rank, high, !(high == in.high));
  auto i = tree_->entries.lower_bound(low_end(in, rank, low, !(low == in.low)));
  std::size_t count = 0;
  for (; i != tree_->entries.end() && count < count_max && compare_to(*i, end) < 0; ++i, ++count)
    rows.push_back(i->row);
  return count;
}

namespace {

// Appends from `i` on until there are enough and the key changes.
template <class Iterator>
bool take(Iterator i, Iterator end, std::size_t count_min, std::size_t count_max,
          std::vector<entry>& rows) {
  std::size_t count = 0;
  for (; i != end; ++i, ++count) {
    if (count >= count_min && compare_keys(rows.back().key, i->key) != 0)
      return false;
    if (count == count_max)
      return true;
    rows.push_back(*i);
  }
  return false;
}

} // namespace

bool property_index::walk(const start* from, bool descending, std::size_t count_min,
                          std::size_t count_max, std::vector<entry>& rows) const {
  const auto& all = tree_->entries;
  count_min = std::max<std::size_t>(count_min, 1);
  auto at = [&] {
    return all.lower_bound(
        probe{rank_of(from->key), &from->key, from->behind != descending ? 1 : -1});
  };
  if (!descending)
    return take(from == nullptr ? all.begin() : at(), all.end(), count_min, count_max, rows);
  return take(std::make_reverse_iterator(from == nullptr ? all.end() : at()),
              std::make_reverse_iterator(all.begin()), count_min, count_max, rows);
}

} // namespace gemel
