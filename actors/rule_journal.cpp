#include "actors/rule_journal.hpp"

namespace gemel {

namespace {

constexpr std::uint64_t format_version = 1;
constexpr std::size_t checksum_size = 4;

} // namespace

std::string pack(const rule_record& what) {
  state_writer into;
  into.count(format_version);
  into.count(static_cast<std::uint64_t>(what.what));
  into.number(what.now_ms);
  into.text(what.text);
  into.text(what.file);
  into.count(what.events.size());
  for (const auto& one : what.events) {
    into.event(one.event);
    into.number(one.written_us);
    into.count(static_cast<std::uint64_t>(one.logged_at));
    into.text(one.action);
  }
  auto bytes = into.take();
  byte_writer end;
  end.fixed(checksum_of(bytes));
  return bytes + end.take();
}

result<rule_record> unpack_rule_record(std::string_view bytes) {
  const std::string part = "a record of rules";
  if (bytes.size() < checksum_size)
    return fail(errc::store_corrupt, part + " is too short");
  auto content = bytes.substr(0, bytes.size() - checksum_size);
  byte_reader end{bytes.substr(content.size())};
  if (end.fixed<std::uint32_t>() != checksum_of(content))
    return fail(errc::store_corrupt, part + " has a wrong checksum");
  state_reader from{content};
  if (from.count() > format_version)
    return fail(errc::incompatible, part + " is of a newer version of gemel");
  rule_record made;
  auto kind = from.count();
  if (kind > static_cast<std::uint64_t>(rule_record::kind::remove))
    from.fail("an unknown kind");
  made.what = static_cast<rule_record::kind>(kind);
  made.now_ms = from.number();
  made.text = from.text();
  made.file = from.text();
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    observed_event one;
    one.event = from.event();
    one.written_us = from.number();
    one.logged_at = log_position{from.count()};
    one.action = from.text();
    if (one.event == nullptr)
      from.fail("no event");
    made.events.push_back(std::move(one));
  }
  if (!from.ok())
    return tl::unexpected<error>(from.why(part));
  return made;
}

} // namespace gemel
