#pragma once

#include "messages/records.hpp"

namespace gemel::detail {

/// Bytes of a twin in a frame, at most and about; they bound the different keys of a page too.
/// Elements of lists grow by half on the wire.
inline std::size_t bytes_of(const twin_record& twin) {
  auto sum = 256 + twin.id.size() + twin.path.size() + twin.parent.size() + twin.type.size();
  for (const auto& p : twin.properties)
    sum += 64 + p.key.size() + p.content.heap_bytes() + p.content.heap_bytes() / 2;
  sum += twin.stamps.size() * sizeof(property_stamp);
  return sum;
}

inline error too_large(const twin_record& twin) {
  return {errc::limit_reached, twin.id
                                   + " with all its properties does not fit one answer; query it "
                                     "with 'select' for some of them"};
}

} // namespace gemel::detail
