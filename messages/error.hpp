#pragma once

#include <tl/expected.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace gemel {

/// What went wrong, for programs. The number is part of the wire format: never renumber, add at the
/// end. Texts for people stand in `error::context`.
enum class errc : std::uint16_t {
  none = 0,
  /// A frame is malformed, too large, too deep or of an unknown kind. Do not resend it.
  bad_frame = 1,
  /// A value is not of a kind or range that is allowed there.
  bad_value = 2,
  /// A twin id, type, property key or label is empty, too long, or holds a forbidden character.
  bad_name = 3,
  /// A text is not a valid expression or document; the context holds the place.
  bad_syntax = 4,
  /// There is no twin with this id. Create it, or look for it elsewhere.
  twin_not_found = 5,
  /// A twin with this id exists already. Nothing was changed.
  twin_exists = 6,
  /// The precondition did not hold; read the twin again and decide anew. Nothing was changed.
  precondition_failed = 7,
  /// The lifecycle table does not allow this in the twin's present state.
  illegal_state = 8,
  /// The parent is the twin itself or lies below it.
  hierarchy_cycle = 9,
  /// A configured limit would be exceeded; the context names it. Waiting does not help.
  limit_reached = 10,
  /// A queue is full. Nothing was done; wait and send again.
  overloaded = 11,
  /// The deadline passed before the answer came; whether it took effect is not known.
  timed_out = 12,
  /// The node could not be reached, or the link to it broke.
  unreachable = 13,
  /// The twin still has children and the policy was `refuse`.
  has_children = 14,
  /// The twin's behaviour threw while handling this message; its state is as before the message.
  twin_crashed = 15,
  /// The node is stopping and takes no new work.
  stopping = 16,
  /// The node or this build does not know the request.
  unsupported = 17,
  /// A file could not be read or written; the context holds its path and the system's words.
  io_failed = 18,
  /// A config or document key is not known; the context names the nearest valid one.
  unknown_key = 19,
  /// A required field is absent.
  missing_field = 20,
  /// The peer speaks another protocol version or belongs to another cluster.
  incompatible = 21,
  /// Another request has a claim on the twin right now. Nothing was done; send again.
  twin_busy = 22,
  /// Another twin holds this value of a unique property.
  alias_taken = 23,
  /// The twin's behaviour has no command of this name; the context names those it has.
  unknown_command = 24,
  /// The command ended with an error of its own; the context is the behaviour's words.
  command_failed = 25,
  /// The disk has no room. Nothing new is taken until there is; reads are answered.
  store_full = 26,
  /// The disk reported an error while writing. Nothing is written any more until the node starts
  /// anew; what was acknowledged before is there.
  store_failed = 27,
  /// A stored record, snapshot or file is damaged; the context names the place.
  store_corrupt = 28,
  /// Another entry of the atomic batch failed; the context says why. Nothing was changed.
  not_applied = 29,
  /// The subscription to resume is not kept any more; subscribe anew and read the twins again.
  subscription_lost = 30,
  /// There is nothing of this name: no such run, workflow or function.
  not_found = 31,
};

/// The code as text, such as `twin_not_found`. Returns `unknown` for numbers of a newer peer.
std::string_view to_string(errc code) noexcept;

/// The code for a text made by `to_string(errc)`; `errc::none` if there is none.
errc errc_from_string(std::string_view text) noexcept;

/// An answer that is not the wished one: `code` for programs, `context` for people.
struct error {
  errc code = errc::none;
  std::string context{};
  /// Of `overloaded`: milliseconds after which trying again is worth it; 0: not known.
  std::uint32_t retry_after_ms = 0;

  friend bool operator==(const error&, const error&) = default;
};

/// `code: context`, or only the code when there is no context; with the time to try again, if one
/// is given.
std::string to_string(const error& what);

/// The value, or why there is none.
template <class T>
using result = tl::expected<T, error>;

/// Shorthand for the failing side of a `result`.
[[nodiscard]] inline tl::unexpected<error> fail(errc code, std::string context = {}) {
  return tl::unexpected<error>(error{code, std::move(context)});
}

/// Thrown by a failed GEMEL_CHECK: a bug of ours. Nobody catches it by name; the smallest part it
/// was thrown in (one twin, one actor) ends and is supervised.
class broken_invariant : public std::logic_error {
public:
  using std::logic_error::logic_error;
};

namespace detail {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
} // namespace detail

} // namespace gemel

/// Holds in every build, or throws `gemel::broken_invariant`. One condition each.
#define GEMEL_CHECK(condition)                                                                     \
  do {                                                                                             \
    if (!(condition)) [[unlikely]]                                                                 \
      ::gemel::detail::check_failed(#condition, __FILE__, __LINE__);                               \
  } while (false)
