#include "actors/twin_state.hpp"

#include "messages/limits.hpp"
#include "messages/names.hpp"

#include <cstring>

namespace gemel {

namespace {

// 2: properties have source times.
constexpr std::uint8_t format = 2;
constexpr std::size_t checksum_size = 4;

std::string_view read_text(byte_reader& in, const char* too_long) {
  auto text = in.text(limits::id_bytes_max, too_long);
  if (!is_utf8(text))
    in.fail("a text is not UTF-8");
  return text;
}

void read_head(byte_reader& in, stored_twin& made) {
  made.type = read_text(in, "the type is too long");
  made.parent = read_text(in, "the parent's id is too long");
  made.placement = read_text(in, "the placement is too long");
  made.lifecycle = static_cast<lifecycle_state>(
      in.bounded(static_cast<unsigned>(lifecycle_state::deleted), "there is no such lifecycle"));
  made.version = in.varint();
  made.created.time = hybrid_time{in.fixed<std::uint64_t>()};
  made.created.write = dot{in.fixed<std::uint64_t>()};
  made.updated =
      hybrid_time{step_from(static_cast<std::uint64_t>(made.created.time), in.signed_varint())};
  made.source_time_us = in.signed_varint();
}

// What the properties before one ended at.
struct property_base {
  std::uint64_t time;
  std::uint64_t counter;
  std::uint64_t source_time;
};

void read_property(byte_reader& in, stored_property& made, property_base& base, unsigned version) {
  auto& [time, counter, source_time] = base;
  made.key = in.text(limits::key_bytes_max, "a key is too long");
  if (in.ok() && !check_key(made.key))
    in.fail("a key is none");
  time = step_from(time, in.signed_varint());
  auto writer = in.bounded(0xffff, "there is no such writer");
  counter = step_from(counter, in.signed_varint());
  if (counter >> 48 != 0)
    in.fail("a dot's counter is too large");
  made.at = {hybrid_time{time},
             make_dot(static_cast<std::uint16_t>(writer), counter & 0xffff'ffff'ffffU)};
  if (version >= 2)
    source_time = step_from(source_time, in.signed_varint());
  made.source_time_us = version >= 2 ? static_cast<std::int64_t>(source_time) : 0;
  made.content = unpack_value(in);
}

} // namespace

twin_state_writer::twin_state_writer(byte_writer& out, const stored_twin& head,
                                     std::size_t properties)
    : out_{out}, begin_{out.size()}, left_{properties}, time_{static_cast<std::uint64_t>(
                                                            head.updated)},
      counter_{counter_of(head.created.write)}, source_time_us_{head.source_time_us} {
  out.u8(format);
  out.text(head.type);
  out.text(head.parent);
  out.text(head.placement);
  out.varint(static_cast<std::uint64_t>(head.lifecycle));
  out.varint(head.version);
  out.fixed(static_cast<std::uint64_t>(head.created.time));
  out.fixed(static_cast<std::uint64_t>(head.created.write));
  out.signed_varint(step_between(static_cast<std::uint64_t>(head.created.time), time_));
  out.signed_varint(head.source_time_us);
  out.varint(properties);
}

void twin_state_writer::property(std::string_view key, const value& content, stamp at,
                                 std::int64_t source_time_us) {
  GEMEL_CHECK(left_ > 0);
  --left_;
  out_.text(key);
  auto time = static_cast<std::uint64_t>(at.time);
  out_.signed_varint(step_between(time_, time));
  out_.varint(writer_of(at.write));
  out_.signed_varint(step_between(counter_, counter_of(at.write)));
  time_ = time;
  counter_ = counter_of(at.write);
  out_.signed_varint(step_between(static_cast<std::uint64_t>(source_time_us_),
                                  static_cast<std::uint64_t>(source_time_us)));
  source_time_us_ = source_time_us;
  pack_value(out_, content);
}

void twin_state_writer::end() {
  GEMEL_CHECK(left_ == 0);
  out_.fixed(checksum_of(out_.view().substr(begin_)));
}

std::string pack_twin(const stored_twin& twin) {
  byte_writer out;
  twin_state_writer writer{out, twin, twin.properties.size()};
  for (const auto& one : twin.properties)
    writer.property(one.key, one.content, one.at, one.source_time_us);
  writer.end();
  return out.take();
}

result<stored_twin> unpack_twin(std::string_view bytes) {
  if (bytes.size() < 1 + checksum_size)
    return fail(errc::store_corrupt, "twin: it ends too early");
  auto body = bytes.substr(0, bytes.size() - checksum_size);
  std::uint32_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + body.size(), checksum_size);
  if (checksum != checksum_of(body))
    return fail(errc::store_corrupt, "twin: the checksum does not match");
  byte_reader in{body};
  auto found = in.u8();
  if (found > format)
    return fail(errc::incompatible, "twin: format " + std::to_string(found)
                                        + ", this program knows up to " + std::to_string(format));
  if (found == 0)
    in.fail("there is no format 0");
  stored_twin made;
  read_head(in, made);
  auto count = in.bounded(2 * limits::properties_max, "too many properties");
  property_base base{static_cast<std::uint64_t>(made.updated), counter_of(made.created.write),
                     static_cast<std::uint64_t>(made.source_time_us)};
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    read_property(in, made.properties.emplace_back(), base, found);
    if (i > 0 && made.properties[i - 1].key >= made.properties[i].key)
      in.fail("the keys are not ascending");
  }
  if (!in.at_end())
    in.fail("bytes are left over");
  if (!in.ok())
    return tl::unexpected(in.why("twin"));
  return made;
}

result<std::string> complete_twin(std::string_view head, std::string_view stored) {
  auto made = unpack_twin(head);
  if (!made)
    return tl::unexpected<error>(std::move(made.error()));
  auto known = unpack_twin(stored);
  if (!known)
    return tl::unexpected<error>(std::move(known.error()));
  made->properties = std::move(known->properties);
  made->version = known->version;
  made->updated = known->updated;
  return pack_twin(*made);
}

} // namespace gemel
