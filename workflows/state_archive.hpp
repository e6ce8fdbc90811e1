#pragma once

#include "messages/packed.hpp"
#include "workflows/event_chain.hpp"

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gemel {

/// What rules have in memory, as bytes. Events, and the beginnings that runs share, are written
/// once, however many runs hold them.
class state_writer {
public:
  void number(std::int64_t content) { out_.signed_varint(content); }
  void count(std::uint64_t content) { out_.varint(content); }
  void flag(bool content) { out_.u8(content ? 1 : 0); }
  void real(double content) { out_.fixed(content); }
  void text(std::string_view content) { out_.text(content); }
  void content(const value& content) { pack_value(out_, content); }
  /// May be null.
  void stamp(const causal_stamp* what);
  /// May be null.
  void event(const rule_event_ptr& what);
  void chain(const event_chain& what);

  std::string take() { return out_.take(); }

private:
  void body(const rule_event& what);

  byte_writer out_;
  // Places of what was written, from 1.
  std::unordered_map<const rule_event*, std::uint64_t> events_;
  std::unordered_map<const event_chain::link*, std::uint64_t> links_;
  std::unordered_map<const void*, std::uint64_t> models_;
  // They must not go while their addresses stand for them.
  std::vector<rule_event_ptr> held_;
  std::vector<event_chain> chains_;
};

/// Reads what `state_writer` wrote. What is wrong stays, see `byte_reader`.
class state_reader {
public:
  explicit state_reader(std::string_view bytes) : in_{bytes} {}

  std::int64_t number() { return in_.signed_varint(); }
  std::uint64_t count() { return in_.varint(); }
  /// How many of something follow, each of a byte at least.
  std::size_t length();
  bool flag() { return in_.u8() != 0; }
  double real() { return in_.fixed<double>(); }
  std::string text();
  value content() { return unpack_value(in_); }
  std::shared_ptr<const causal_stamp> stamp();
  rule_event_ptr event();
  event_chain chain();

  void fail(const char* what) noexcept { in_.fail(what); }
  bool ok() const noexcept { return in_.ok(); }
  bool at_end() const noexcept { return in_.at_end(); }
  error why(std::string_view part) const { return in_.why(part); }

private:
  rule_event_ptr body();

  byte_reader in_;
  std::vector<rule_event_ptr> events_;
  std::vector<event_chain> links_;
  std::vector<std::shared_ptr<const std::vector<std::string>>> models_;
};

} // namespace gemel
