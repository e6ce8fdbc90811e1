#pragma once

#include "messages/error.hpp"
#include "messages/value.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gemel {

/// Which twin of a node holds which value of a unique property. Written by the twins' own writes,
/// of any cell; read by lookups. Any thread may call any function: a claim of one value by many at
/// once is granted to exactly one. Locks are held for one hash lookup, and by shards of the table,
/// so that readers and writers rarely meet.
class alias_table {
public:
  alias_table();
  ~alias_table();
  alias_table(const alias_table&) = delete;
  alias_table& operator=(const alias_table&) = delete;

  /// Whether this can be an alias at all: a text or an integer.
  static bool names_a_twin(const value& content) noexcept {
    return content.is_text() || content.is_integer();
  }

  /// Gives the value to the twin; one that has it already keeps it. What can be no alias is granted
  /// and not remembered.
  /// @returns errc::alias_taken naming the holder.
  result<void> claim(std::string_view property, const value& content, std::string_view id);

  /// Takes the value from the twin; nothing happens if another holds it, or nobody.
  void release(std::string_view property, const value& content, std::string_view id);

  /// The id of the twin that holds it.
  std::optional<std::string> find(std::string_view property, const value& content) const;

  std::size_t size() const;

private:
  struct shard;
  static constexpr std::size_t shard_count = 256;

  shard& shard_of(const std::string& name) const;

  std::unique_ptr<shard[]> shards_;
};

} // namespace gemel
