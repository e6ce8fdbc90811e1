#pragma once

#include "messages/records.hpp"

#include <memory>
#include <string_view>

namespace gemel::detail {

/// Reads the twins of most lines with simdjson, several times as fast as `read_twin_line`, which
/// remains the measure: what is not plainly right, or rare, is left to it.
class fast_twin_reader {
public:
  fast_twin_reader();
  ~fast_twin_reader();
  fast_twin_reader(fast_twin_reader&&) noexcept;
  fast_twin_reader& operator=(fast_twin_reader&&) noexcept;

  /// True: `made` is what `read_twin_line` makes of the text, which has no fault. False: ask it;
  /// `made` holds anything.
  bool read(std::string_view text, new_twin& made);

private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

} // namespace gemel::detail
