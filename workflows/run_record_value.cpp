#include "workflows/run_record_value.hpp"

#include "messages/packed.hpp"

#include <cstring>

namespace gemel {

namespace {

constexpr std::size_t field_count = 11;

// The number of an enum's value, if it is one of its first `count`.
template <class Enum>
bool read_enum(const value& from, unsigned count, Enum& into) {
  if (!from.is_integer() || from.as_integer() < 0 || from.as_integer() >= count)
    return false;
  into = static_cast<Enum>(from.as_integer());
  return true;
}

template <class Number>
bool read_number(const value& from, Number& into) {
  if (!from.is_integer())
    return false;
  into = static_cast<Number>(from.as_integer());
  return true;
}

bool read_text(const value& from, std::string& into) {
  if (from.is_null())
    return true;
  if (!from.is_text())
    return false;
  into = from.as_text();
  return true;
}

value text_or_null(const std::string& text) {
  return text.empty() ? value{} : value{text};
}

} // namespace

value to_value(const run_record& record) {
  value_list fields;
  fields.reserve(field_count);
  fields.push_back(value{static_cast<std::int64_t>(record.what)});
  fields.push_back(value{static_cast<std::int64_t>(record.step)});
  fields.push_back(value{static_cast<std::int64_t>(record.attempt)});
  fields.push_back(value{static_cast<std::int64_t>(record.state)});
  fields.push_back(value{static_cast<std::int64_t>(record.run)});
  fields.push_back(value{record.at_ms});
  fields.push_back(value{record.due_ms});
  fields.push_back(text_or_null(record.outcome.error));
  fields.push_back(text_or_null(record.outcome.message));
  fields.push_back(record.outcome.result);
  fields.push_back(value{record.outcome.with_errors});
  return value{std::move(fields)};
}

result<run_record> run_record_of(const value& made) {
  constexpr unsigned kinds = static_cast<unsigned>(run_record::kind::step_prepared) + 1;
  constexpr unsigned states = static_cast<unsigned>(step_state::not_run) + 1;
  constexpr unsigned run_states = static_cast<unsigned>(run_state::timed_out) + 1;
  run_record record;
  bool right = made.is_list() && made.as_list().size() >= field_count;
  if (right) {
    auto fields = made.as_list();
    right = read_enum(fields[0], kinds, record.what) && read_number(fields[1], record.step)
            && read_number(fields[2], record.attempt) && read_enum(fields[3], states, record.state)
            && read_enum(fields[4], run_states, record.run) && read_number(fields[5], record.at_ms)
            && read_number(fields[6], record.due_ms) && read_text(fields[7], record.outcome.error)
            && read_text(fields[8], record.outcome.message) && fields[10].is_bool();
    if (right) {
      record.outcome.result = fields[9];
      record.outcome.with_errors = fields[10].as_bool();
    }
  }
  if (!right)
    return fail(errc::store_corrupt, "a record of a run is not as one is written");
  return record;
}

std::string pack_checked(const value& content) {
  byte_writer out;
  pack_value(out, content);
  out.fixed(checksum_of(out.view()));
  return out.take();
}

result<value> unpack_checked(std::string_view bytes) {
  std::uint32_t sum = 0;
  if (bytes.size() < sizeof sum)
    return fail(errc::store_corrupt, "a record of a run ends too early");
  auto content = bytes.substr(0, bytes.size() - sizeof sum);
  std::memcpy(&sum, bytes.data() + content.size(), sizeof sum);
  if (sum != checksum_of(content))
    return fail(errc::store_corrupt, "a record of a run has another checksum than its bytes");
  byte_reader in{content};
  auto made = unpack_value(in);
  if (!in.ok() || !in.at_end())
    return tl::unexpected<error>(in.why("a record of a run"));
  return made;
}

} // namespace gemel
