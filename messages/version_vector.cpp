#include "messages/version_vector.hpp"

#include "messages/packed.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr auto before = [](const version_vector::entry& e, writer_id writer) {
  return e.writer < writer;
};

} // namespace

std::uint64_t version_vector::of(writer_id writer) const noexcept {
  auto at = std::lower_bound(entries_.begin(), entries_.end(), writer, before);
  return at != entries_.end() && at->writer == writer ? at->number : 0;
}

bool version_vector::covers(const version_vector& other) const noexcept {
  return std::all_of(other.entries_.begin(), other.entries_.end(),
                     [this](const entry& e) { return e.number <= of(e.writer); });
}

void version_vector::advance(write_id write) {
  if (write.number == 0)
    return;
  auto at = std::lower_bound(entries_.begin(), entries_.end(), write.writer, before);
  if (at == entries_.end() || at->writer != write.writer)
    entries_.insert(at, entry{write.writer, write.number});
  else
    at->number = std::max(at->number, write.number);
}

bool version_vector::join(const version_vector& other) {
  if (covers(other))
    return false;
  for (const auto& e : other.entries_)
    advance(write_id{e.writer, e.number});
  return true;
}

std::uint64_t version_vector::hash() const noexcept {
  return hash_of({reinterpret_cast<const char*>(entries_.data()), entries_.size() * sizeof(entry)});
}

} // namespace gemel
