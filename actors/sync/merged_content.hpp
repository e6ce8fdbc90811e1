#pragma once

#include "messages/error.hpp"
#include "messages/sibling.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

/// What the merging strategies keep inside a property: small structures that join (commutative,
/// associative, idempotent), written as values so that they travel like any other.
namespace gemel {

/// Amounts by owner; of each owner the latest counts. What sums and counters are made of.
/// As a value: a map of owner (hexadecimal) to [version, amount].
class contributions {
public:
  /// Reads what a sibling holds; a plain number is that writer's whole contribution.
  static contributions of(const sibling& from, bool by_site);

  void join(const contributions& other);
  /// An integer while all amounts are and the sum fits, else a real.
  value sum() const;
  /// What `owner` gave; 0: nothing.
  value amount(std::uint64_t owner) const;
  void set(std::uint64_t owner, value amount);

  value to_value() const;

private:
  struct share {
    std::int64_t version = 0;
    value amount{};
  };
  std::map<std::uint64_t, share> shares_;
};

/// Members by key, each with the write that gave it, and all writes that were seen: a member that
/// one side has not and whose write it saw is gone. What sets and maps are made of. As a value: a
/// map of `seen` (writer in hexadecimal to number) and `items` (lists of key, writer, number, time,
/// content).
class causal_members {
public:
  static causal_members of_set(const sibling& from);
  static causal_members of_map(const sibling& from);

  void join(const causal_members& other);

  /// Members as `wanted` has them: what is new or differs gets the mark of this write, what is
  /// absent goes.
  void become(const std::map<std::string, value>& wanted, write_id own, hybrid_time now);

  /// The set's elements, by their text.
  value as_list() const;
  value as_map() const;
  value to_value() const;

  static std::map<std::string, value> elements(const value& list);
  static std::map<std::string, value> members(const value& map);

private:
  struct member {
    std::string key;
    write_id write;
    hybrid_time time;
    value content;
  };

  static causal_members read(const value& kept);
  bool has(const member& one) const;
  std::map<std::string, const member*> shown() const;

  version_vector seen_;
  std::vector<member> members_; // of one key several while concurrent
};

} // namespace gemel
