#include "messages/sync_columns.hpp"

#include "messages/limits.hpp"
#include "messages/names.hpp"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace gemel {

// ---- names --------------------------------------------------------------------------------------

std::pair<std::uint32_t, bool> sent_names::use(std::string_view name) {
  if (names_max_ == 0)
    return {0, true};
  auto at = numbers_.find(name);
  if (at == numbers_.end()) {
    if (by_number_.size() >= names_max_)
      return {0, true};
    by_number_.push_back({trusting_, 0});
    at = numbers_.emplace(name, static_cast<std::uint32_t>(by_number_.size())).first;
    return {at->second, spell(at->second)};
  }
  auto number = at->second;
  return {number, !by_number_[number - 1].acknowledged && spell(number)};
}

// @returns whether this message did not spell it yet.
bool sent_names::spell(std::uint32_t number) {
  if (std::exchange(by_number_[number - 1].spelt_by, message_) == message_)
    return false;
  spelt_.push_back(number);
  return true;
}

void sent_names::acknowledge(const std::vector<std::uint32_t>& spelt) {
  for (auto number : spelt)
    if (number >= 1 && number <= by_number_.size())
      by_number_[number - 1].acknowledged = true;
}

bool received_names::define(std::uint64_t number, std::string_view name) {
  if (number == 0 || number > names_max_)
    return false;
  auto [at, fresh] = names_.try_emplace(number, name);
  return fresh || at->second == name;
}

const std::string* received_names::find(std::uint64_t number) const {
  auto at = names_.find(number);
  return at != names_.end() ? &at->second : nullptr;
}

// ---- columns ------------------------------------------------------------------------------------

namespace {

// How a name is written: the same as the one before it, spelt without a number, spelt with one, or
// by number alone (from `by_number` on).
enum name_code : std::uint64_t { same = 0, spelt = 1, spelt_numbered = 2, by_number = 3 };

constexpr std::size_t siblings_max = 1'024;
constexpr std::size_t writers_max = 65'536;

bool reserved(std::string_view key) {
  return key == replica_keys::life || key == replica_keys::parent || key == replica_keys::lifecycle
         || key == replica_keys::conflict;
}

class columns_reader {
public:
  columns_reader(std::string_view heads, std::string_view stamps, std::string_view values,
                 received_names& names)
      : heads_{heads}, stamps_{stamps}, values_{values}, names_{names} {}

  version_vector clock() {
    version_vector made;
    auto count = heads_.bounded(siblings_max, "too many writers in the clock");
    for (std::uint64_t i = 0; heads_.ok() && i < count; ++i) {
      auto w = writer(heads_).writer;
      auto number = heads_.varint();
      if (made.of(w) != 0 || number == 0)
        heads_.fail("a clock names a writer twice, or with 0");
      made.advance({w, number});
    }
    return made;
  }

  replicated_entry entry() {
    replicated_entry made;
    name(last_twin_, true);
    name(last_key_, false);
    made.twin = last_twin_;
    made.key = last_key_;
    auto count = heads_.bounded(siblings_max, "too many values of one property");
    for (std::uint64_t i = 0; ok() && i < count; ++i)
      made.siblings.push_back(one());
    for (std::size_t i = 1; i < made.siblings.size(); ++i)
      if (!(made.siblings[i - 1].write < made.siblings[i].write))
        stamps_.fail("values of one property are not in order");
    return made;
  }

  bool ok() const noexcept { return heads_.ok() && stamps_.ok() && values_.ok(); }
  bool whole() const noexcept {
    return ok() && heads_.at_end() && stamps_.at_end() && values_.at_end();
  }
  const char* what() const noexcept {
    return !heads_.ok()    ? "its names are damaged"
           : !stamps_.ok() ? "its stamps are damaged"
           : !values_.ok() ? "its values are damaged"
                           : "bytes follow its last value";
  }

private:
  void name(std::string& last, bool twin) {
    auto code = heads_.varint();
    if (code == same) {
      if (last.empty())
        heads_.fail("the first name is none");
      return;
    }
    if (code >= by_number) {
      const auto* known = names_.find(code - by_number);
      if (known == nullptr)
        return heads_.fail("a name's number is not known");
      last = *known;
      return check(last, twin);
    }
    auto number = code == spelt_numbered ? heads_.varint() : 0;
    auto text = heads_.text(limits::id_bytes_max, "a name is too long");
    last = text;
    check(last, twin);
    if (heads_.ok() && code == spelt_numbered && !names_.define(number, text))
      heads_.fail("a name's number is another's, or too large");
  }

  void check(const std::string& text, bool twin) {
    if (!heads_.ok())
      return;
    if (twin ? !check_id(text).has_value() : !reserved(text) && !check_key(text).has_value())
      heads_.fail(twin ? "no valid twin id" : "no valid key");
  }

  // With the last of its writes that was named.
  write_id& writer(byte_reader& column) {
    auto number = column.varint();
    if (number == writers_.size() && writers_.size() < writers_max)
      writers_.push_back({writer_id{column.fixed<std::uint64_t>()}, 0});
    if (number < writers_.size())
      return writers_[number];
    column.fail("a writer's number is not known");
    return nobody_;
  }

  write_id id() {
    auto& known = writer(stamps_);
    known.number = step_from(known.number, stamps_.signed_varint());
    return known;
  }

  sibling one() {
    sibling made;
    made.write = id();
    last_time_ = step_from(last_time_, stamps_.signed_varint());
    made.time = hybrid_time{last_time_};
    auto depth = stamps_.varint();
    made.depth = static_cast<std::uint32_t>(depth >> 1);
    if ((depth & 1) == 0)
      last_life_ = id();
    made.life = last_life_;
    made.content = unpack_value(values_);
    return made;
  }

  byte_reader heads_;
  byte_reader stamps_;
  byte_reader values_;
  received_names& names_;
  std::string last_twin_;
  std::string last_key_;
  std::vector<write_id> writers_;
  write_id nobody_;
  std::uint64_t last_time_ = 0;
  write_id last_life_;
};

} // namespace

// ---- writing ------------------------------------------------------------------------------------

columns_writer::columns_writer(const version_vector& clock, sent_names& names) : names_{names} {
  heads_.varint(clock.size());
  for (const auto& e : clock.entries()) {
    writer(e.writer, heads_);
    heads_.varint(e.number);
  }
}

void columns_writer::add(std::string_view twin, std::string_view key,
                         std::span<const sibling> siblings) {
  ++entries_;
  name(twin, last_twin_);
  name(key, last_key_);
  heads_.varint(siblings.size());
  for (const auto& s : siblings)
    one(s);
}

void columns_writer::finish(byte_writer& out) const {
  out.varint(entries_);
  out.text(heads_.view());
  out.text(stamps_.view());
  out.text(values_.view());
}

void columns_writer::name(std::string_view text, std::string& last) {
  if (text == last)
    return heads_.varint(same);
  last = text;
  auto [number, spell] = names_.use(text);
  if (!spell)
    return heads_.varint(by_number + number);
  heads_.varint(number == 0 ? spelt : spelt_numbered);
  if (number != 0)
    heads_.varint(number);
  heads_.text(text);
}

// A new one is spelt in the same column.
columns_writer::known_writer& columns_writer::writer(writer_id w, byte_writer& column) {
  auto spelling = static_cast<std::uint64_t>(w);
  auto [at, fresh] = writers_.try_emplace(spelling, known_writer{writers_.size(), 0});
  column.varint(at->second.number);
  if (fresh)
    column.fixed(spelling);
  return at->second;
}

void columns_writer::id(write_id w) {
  auto& last = writer(w.writer, stamps_).last_write;
  stamps_.signed_varint(step_between(std::exchange(last, w.number), w.number));
}

void columns_writer::one(const sibling& s) {
  id(s.write);
  auto time = static_cast<std::uint64_t>(s.time);
  stamps_.signed_varint(step_between(std::exchange(last_time_, time), time));
  auto same_life = s.life == last_life_;
  stamps_.varint((std::uint64_t{s.depth} << 1) | static_cast<std::uint64_t>(same_life));
  if (!same_life)
    id(s.life);
  last_life_ = s.life;
  pack_value(values_, s.content);
}

// ---- reading ------------------------------------------------------------------------------------

read_columns read_entries(byte_reader& in, received_names& names, std::size_t entries_max) {
  read_columns made;
  auto count = in.bounded(entries_max, "too many entries");
  auto heads = in.text(limits::frame_bytes_max, "a column is too large");
  auto stamps = in.text(limits::frame_bytes_max, "a column is too large");
  auto values = in.text(limits::frame_bytes_max, "a column is too large");
  if (!in.ok())
    return {};
  columns_reader columns{heads, stamps, values, names};
  made.clock = columns.clock();
  made.entries.reserve(std::min<std::size_t>(count, heads.size())); // one takes a byte or more
  for (std::uint64_t i = 0; columns.ok() && i < count; ++i)
    made.entries.push_back(columns.entry());
  if (!columns.whole()) {
    in.fail(columns.what());
    return {};
  }
  return made;
}

// ---- compression --------------------------------------------------------------------------------

namespace {

enum compression : std::uint8_t { plain = 0, zstd = 1 };
constexpr std::size_t worth_compressing = 256;
constexpr std::size_t ratio_max = 64;

} // namespace

void write_compressed(byte_writer& out, std::string_view raw) {
  if (raw.size() >= worth_compressing) {
    std::string packed(ZSTD_compressBound(raw.size()), '\0');
    auto size = ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), 1);
    if (ZSTD_isError(size) == 0 && size < raw.size() && raw.size() / size < ratio_max) {
      out.u8(zstd);
      out.varint(raw.size());
      out.text({packed.data(), size});
      return;
    }
  }
  out.u8(plain);
  out.text(raw);
}

void read_compressed(byte_reader& in, std::string& raw, std::size_t bytes_max) {
  auto how = in.u8();
  if (how == plain) {
    raw = in.text(bytes_max, "it is too large");
    return;
  }
  if (how != zstd)
    return in.fail("an unknown compression");
  auto size = in.bounded(bytes_max, "it is too large");
  auto packed = in.text(bytes_max, "it is too large");
  if (!in.ok() || packed.empty() || size / packed.size() > ratio_max)
    return in.fail("it grows too much");
  raw.resize(size);
  if (ZSTD_decompress(raw.data(), raw.size(), packed.data(), packed.size()) != size)
    in.fail("damaged compressed bytes");
}

} // namespace gemel
