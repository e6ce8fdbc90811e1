#pragma once

#include "messages/error.hpp"
#include "messages/text.hpp"
#include "messages/value.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The expression language of rules, workflows, queries and derived properties.
///
/// Grammar, from loosest to tightest; keywords in any case:
///
///     or       = and { ("OR" | "||") and }
///     and      = not { ("AND" | "&&") not }
///     not      = ("NOT" | "!") not | test
///     test     = sum [ ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") sum
///                    | "IS" ["NOT"] "NULL"
///                    | ["NOT"] "IN" ( "(" sum { "," sum } ")" | path )
///                    | ["NOT"] "LIKE" sum
///                    | ["NOT"] "BETWEEN" sum "AND" sum ]
///     sum      = product { ("+" | "-") product }
///     product  = unary { ("*" | "/" | "%") unary }
///     unary    = "-" unary | primary
///     primary  = number | 'text' | "TRUE" | "FALSE" | "NULL" | path | function "(" ... ")"
///              | "(" or ")"
///     path     = name { "." name | "[" index "]" }
///     name     = letter or "_", then letters, digits, "_"; or anything in double quotes
///
/// In 'text' a quote is written twice, and so is a double quote in a "name". A name that is a
/// keyword, or holds other characters such as `-` or `.`, stands in double quotes. Letters are a-z,
/// A-Z and all characters beyond ASCII. An integer that does not fit 64 bits is a double.
///
/// Meaning:
///
/// - Logic is two-valued. Only `true` is true; every other value in a place for a truth, a missing
///   one included, counts as false. So `NOT (x = 1)` is true when x is missing.
/// - A path that leads nowhere is missing. A comparison, LIKE, BETWEEN or IN with a missing or null
///   value is false, `!=` too; `NOT IN`, `NOT LIKE` and `NOT BETWEEN` are their negations and true
///   then. `IS NULL` is true for null and for missing, `is_defined` is true for null.
/// - Integers and doubles compare by their exact numeric value. A NaN is unequal to all numbers and
///   neither less nor greater. Texts compare by code point, bytes by byte, false is less than true.
///   Lists and maps are equal when identical (where 1 is not 1.0) and have no order. Between kinds
///   that do not compare `!=` is true and everything else false.
/// - Arithmetic needs two numbers, otherwise its result is missing. Integers stay integers while
///   the result is one that fits (`7 / 2` is 3.5, `6 / 2` is 3), else it is a double. Division and
///   remainder by zero are missing. A remainder has the sign of the left side.
/// - LIKE: `%` is any text, `_` one character, both sides are texts, letters keep their case.
/// - `x IN path`: the path is a list that has an element equal to x.
///
/// Functions; with an argument of another kind, or a missing one, they are missing, tests false:
///
/// - `abs round floor ceil sqrt` of a number. `round` takes halves away from zero. Integers stay
///   integers, save for sqrt. A square root of a negative number is missing.
/// - `starts_with(text, part)`, `ends_with(text, part)`, `contains(text, part)`; `contains(list,
/// x)`
///   is `x IN list`.
/// - `lower`, `upper` of a text change ASCII letters only. `length` counts characters of a text,
///   bytes of bytes, elements of a list or map.
/// - `is_defined is_number is_text is_bool` of anything.
/// - `is_of_model('m')`: whether the twin's type is `m` or extends it; `has_capability('c')`:
///   whether its type can do that. The caller answers them, see `reference_kind`.
/// - In rules, over a stage: `first last prev count sum avg min max` of one path, with an optional
///   second argument that is taken when there is no value: `last(rise.temperature, 20)`.
/// - In subscriptions `changed(path)`: whether the event changed what the path leads to; the caller
///   answers it, see `reference_kind::change_test`.
namespace gemel {

namespace detail {
struct program;
} // namespace detail

/// One step of a path: a key of a map, or an index of a list, counted from 0.
using path_step = std::variant<std::string, std::size_t>;

/// What a reference asks of its caller.
enum class reference_kind : std::uint8_t {
  /// The value of `root` (of `scope`, if there is one); the evaluator follows `path` from there.
  path,
  /// The value of `function` over all of `path` below `root`; the evaluator takes it as it is.
  aggregate,
  /// A bool: whether the twin is of the model named `root`, or of one that extends it.
  model_test,
  /// A bool: whether the twin's model has the capability named `root`.
  capability_test,
  /// A bool: whether `path` below `root` is another value than before.
  change_test,
};

/// Functions over a stage of a rule.
enum class aggregate_function : std::uint8_t { none, first, last, prev, count, sum, avg, min, max };

/// The function's name; empty for `none`.
std::string_view to_string(aggregate_function function) noexcept;

/// Something outside the expression that it reads.
struct reference {
  reference_kind kind = reference_kind::path;
  aggregate_function function = aggregate_function::none;
  /// A name of `expression_options::scopes`, or empty.
  std::string scope;
  /// The first name of the path behind the scope. Empty only for an aggregate of a whole stage, as
  /// in `count(rise)`.
  std::string root;
  /// The rest of the path.
  std::vector<path_step> path;
  /// Where it stands first, for the caller's faults.
  text_place place;

  /// Equal when they read the same; the place does not count.
  friend bool operator==(const reference& a, const reference& b) {
    return a.kind == b.kind && a.function == b.function && a.scope == b.scope && a.root == b.root
           && a.path == b.path;
  }
};

/// The reference as it is written in an expression.
std::string to_string(const reference& what);

/// The value that `path` leads to from `root`; null when there is none, or `root` is null. Lives as
/// long as `*root`.
const value* follow(const value* root, std::span<const path_step> path) noexcept;

/// What an expression may use.
struct expression_options {
  /// Names that are no values themselves but hold some, such as the stages of a rule: in
  /// `hot.speed` with the scope `hot` the caller binds `speed` of `hot`.
  std::vector<std::string> scopes;
  /// Whether `first last prev count sum avg min max` are allowed.
  bool aggregates = false;
  /// Whether `changed(path)` is allowed. Its path takes no scope.
  bool changes = false;
};

/// A compiled expression. Immutable; copies share the program; any thread may evaluate it.
class expression {
public:
  /// Compiles `text`.
  /// @returns errc::bad_syntax with line, column and what was expected; errc::limit_reached when
  ///          `text`, or its normalised form, has more than `expression_bytes_max` bytes or nests
  ///          deeper than `expression_depth_max`.
  static result<expression> compile(std::string_view text, const expression_options& options = {});

  /// What the caller must bind, each once, in the order of first appearance.
  std::span<const reference> references() const noexcept;

  /// The value for `bound`, where `bound[i]` is the value of reference i, null when it is missing;
  /// a missing result is a null value. Allocates only for a text longer than a `value` holds
  /// inside, or than 64 bytes of `lower` and `upper` in between. GEMEL_CHECKs the size of `bound`.
  value evaluate(std::span<const value* const> bound) const;

  /// Whether the value is `true`. Faster than `evaluate`.
  bool test(std::span<const value* const> bound) const;

  /// Normalised text: keywords in capitals, one space, no needless parentheses. Compiles to the
  /// same expression under the same options.
  const std::string& to_string() const noexcept;

private:
  explicit expression(std::shared_ptr<const detail::program> program);

  std::shared_ptr<const detail::program> program_;
};

/// A condition that must hold for a whole expression to hold.
struct conjunct {
  std::string text;
  /// Of `left = right`; else both are empty.
  std::string left;
  std::string right;
};

/// What `text`, compiled under `options`, is an AND of; itself if it is none. Empty if it does not
/// compile.
std::vector<conjunct> conjuncts_of(std::string_view text, const expression_options& options = {});

} // namespace gemel
