#pragma once

#include "messages/error.hpp"
#include "messages/value.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// One thing that is wrong in a document from outside, with its place and what would be right.
/// Documents are refused with all their faults at once, so that a person mends them in one go.
struct fault {
  errc code = errc::none;
  /// The file as it was named, or `--set key=value` for an option given on the command line.
  std::string file{};
  /// Counted from 1, columns in code points; 0: not known.
  std::size_t line = 0;
  std::size_t column = 0;
  /// Which field: a JSON pointer (RFC 6901) in JSON documents, a dotted key such as `node.workers`
  /// in configs. Empty: the document as a whole.
  std::string at{};
  /// What is wrong, without its place.
  std::string message{};
  /// What would be right. Empty: nothing to say.
  std::string hint{};
  /// What programs know the fault by in the JSON languages, such as `unknown_step`; a literal.
  /// Empty: the name of `code`.
  std::string_view name{};

  friend bool operator==(const fault&, const fault&) = default;
};

/// `file:line:column: message (hint)`; what is empty or 0 is left out. A JSON pointer stands before
/// the message (`twins.json:3:5: /2/type: message`); a config's message names its key by itself.
std::string to_string(const fault& what);

/// The faults of one document, at most `faults_max`; empty: it is right.
using fault_list = std::vector<fault>;

/// All of them, each on a line of its own.
std::string to_string(const fault_list& faults);

/// Faults reported of one document. Who made more of them has not read the first ones.
inline constexpr std::size_t faults_max = 100;

/// Adds `found` unless there are `faults_max`; the last one then says that there are more.
void add_fault(fault_list& faults, fault found);

/// Orders by file, line and column; equal ones keep their order.
void sort_faults(fault_list& faults);

/// The fault as a map of `code`, `message`, `at`, `hint`, `file`, `line` and `column`, without
/// those that are empty or 0.
value to_value(const fault& what);

} // namespace gemel
