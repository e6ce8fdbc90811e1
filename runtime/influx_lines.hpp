#pragma once

#include "messages/value.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace gemel {

/// Appends a name with a backslash before what separates names: commas, blanks, equal signs. Its
/// own backslashes become slashes, since servers do not agree on what two of them mean.
void append_influx_name(std::string& out, std::string_view name);

/// Builds a text of Influx line protocol (InfluxDB 2 reference, "Line protocol"): the type is the
/// measurement, the twin a tag, properties are fields, times are nanoseconds:
///
///     machine,twin=m1 temperature=20.5,on=true 1700000000000000000
class influx_lines {
public:
  /// Adds one value. Those of one twin and time that follow each other share a line.
  /// @returns false for what is neither a finite number nor a bool, and for times that do not fit
  ///          nanoseconds in 64 bits: it is left out.
  bool add(std::string_view type, std::string_view id, std::string_view property,
           const value& content, std::int64_t time_us);

  std::size_t values() const noexcept { return values_; }
  bool empty() const noexcept { return values_ == 0; }
  /// Bytes so far.
  std::size_t size() const noexcept { return text_.size(); }

  /// The text, each line with its end; it is empty again.
  std::string take();

private:
  void end_line();

  std::string text_;
  std::size_t values_ = 0;
  // Of the line that is open.
  std::string head_;
  std::int64_t time_us_ = 0;
  bool is_open_ = false;
};

} // namespace gemel
