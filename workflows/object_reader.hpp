#pragma once

#include "messages/fault.hpp"
#include "messages/value.hpp"
#include "registry/expression.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// Reads the fields of one JSON object strictly: what is asked for is checked, what nobody asked
/// for is a fault. Every fault is noted with its JSON pointer and reading goes on, so that a
/// document is refused with all of them at once.
///
/// A function that finds its field absent or wrong returns nothing; only wrong ones (and absent
/// ones that are `required`) are noted.
class object_reader {
public:
  /// @param content must outlive this; if it is no object that is noted, and all fields are absent.
  /// @param pointer of the object in its document, such as `/steps/2`.
  /// @param what the object is, for people, such as `a step`.
  object_reader(const value& content, std::string pointer, std::string_view what,
                fault_list& faults);

  bool is_object() const noexcept { return members_ != nullptr; }
  const std::string& pointer() const noexcept { return pointer_; }
  /// The pointer of a field.
  std::string at(std::string_view key) const;

  /// The field as it stands, null when it is absent. Counts as asked for.
  const value* find(std::string_view key);
  bool has(std::string_view key) { return find(key) != nullptr; }

  enum class need : bool { optional, required };
  static constexpr auto optional = need::optional;
  static constexpr auto required = need::required;

  std::optional<std::string> text(std::string_view key, need how = optional);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max,
                                      need how = optional);
  /// An integer or a double.
  std::optional<double> number(std::string_view key, double min, double max, need how = optional);
  /// Whole milliseconds or a text such as `"30s"`.
  std::optional<std::chrono::milliseconds> duration(std::string_view key, need how = optional);
  /// One of `words`; the index.
  std::optional<std::size_t> choice(std::string_view key, std::span<const std::string_view> words,
                                    need how = optional);
  /// A list of texts.
  std::optional<std::vector<std::string>> texts(std::string_view key, need how = optional);
  const value* list(std::string_view key, need how = optional);
  const value* object(std::string_view key, need how = optional);
  /// A text that compiles under `options`.
  std::optional<expression> compiled(std::string_view key, const expression_options& options,
                                     need how = optional);

  /// Notes a fault of a field, or of the object itself if `key` is empty.
  /// @param name see `fault::name`; empty: the one that goes with `code`.
  void report(std::string_view key, errc code, std::string message, std::string hint = {},
              std::string_view name = {});

  /// Notes all fields that nobody asked for. Call it once, after the last field.
  void finish();

private:
  const value* need_kind(std::string_view key, need how, bool (value::*is)() const noexcept,
                         std::string_view wanted);

  const value* members_ = nullptr;
  std::string pointer_;
  std::string what_;
  fault_list& faults_;
  std::vector<std::string> asked_;
};

/// The milliseconds that `content` says: a whole number, or a text such as `"30s"`.
/// @returns errc::bad_value, bad_syntax or limit_reached.
result<std::chrono::milliseconds> duration_of(const value& content);

} // namespace gemel
