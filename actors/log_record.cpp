#include "actors/log_record.hpp"

#include "messages/limits.hpp"
#include "messages/names.hpp"

namespace gemel {

namespace {

constexpr std::uint8_t magic = 'g';
constexpr std::uint8_t format = 1;
constexpr std::size_t columns = 6;
constexpr std::size_t checksum_size = 4;
// A turn handles 8,192 entries; a create of a full twin makes no more events than entries.
constexpr std::uint64_t events_max = 1u << 20;
// Longer texts are rarely said twice in one turn.
constexpr std::size_t named_text_max = 32;
constexpr std::size_t names_max = 1u << 20;
// Beyond it the front compression of ids could make more bytes than a record ever held.
constexpr std::size_t ids_bytes_max = 256u << 20;

// The kind byte: three bits of kind, three of lifecycle, two of what follows.
constexpr std::uint8_t has_source_time = 0x40;
constexpr std::uint8_t has_stamps = 0x80;

// How the stamps of the changes differ from the event's own.
enum : std::uint8_t {
  // The same time, dots one after the other from a start that is given.
  stamps_from = 0,
  // Each by itself.
  stamps_each = 1,
};

// In the values column, beside the kinds of messages/packed.cpp: a text by its number.
constexpr std::uint8_t tag_name = 15;

bool is_logged(event_kind kind) noexcept {
  return kind == event_kind::created || kind == event_kind::updated || kind == event_kind::removed
         || kind == event_kind::lifecycle || kind == event_kind::moved;
}

// The dot that the first change has unless something else is said: a twin's creation has a dot of
// its own, an update is its changes.
dot first_dot(event_kind kind, dot write) noexcept {
  auto skip = kind == event_kind::updated ? 0u : 1u;
  return make_dot(writer_of(write), counter_of(write) + skip);
}

// Nothing: as expected.
std::optional<std::uint8_t> stamp_mode(const logged_event& event) noexcept {
  if (event.changes.empty())
    return std::nullopt;
  auto start = event.changes.front().at.write;
  for (std::size_t i = 0; i < event.changes.size(); ++i)
    if (event.changes[i].at.time != event.time
        || event.changes[i].at.write != make_dot(writer_of(start), counter_of(start) + i))
      return stamps_each;
  if (start == first_dot(event.kind, event.write))
    return std::nullopt;
  return stamps_from;
}

std::uint32_t counter_key(shard_id shard, dot write) noexcept {
  return static_cast<std::uint32_t>(shard) << 16 | writer_of(write);
}

std::size_t shared_prefix(std::string_view left, std::string_view right) noexcept {
  auto most = std::min(left.size(), right.size());
  std::size_t count = 0;
  while (count < most && left[count] == right[count])
    ++count;
  return count;
}

} // namespace

// ---- writing ------------------------------------------------------------------------------------

std::size_t log_record_builder::size() const noexcept {
  return names_.size() + lists_.size() + twins_.size() + kinds_.size() + marks_.size()
         + values_.size();
}

std::uint32_t log_record_builder::name(std::string_view text) {
  auto [found, is_new] = name_numbers_.try_emplace(std::string{text}, name_count_);
  if (is_new) {
    names_.text(text);
    ++name_count_;
  }
  return found->second;
}

std::uint32_t log_record_builder::key(key_id number) {
  auto index = static_cast<std::size_t>(number);
  if (index >= key_numbers_.size())
    key_numbers_.resize(index + 1);
  auto& known = key_numbers_[index];
  if (known.record != record_)
    known = {record_, name(keys_.text(number))};
  return known.number;
}

std::uint32_t log_record_builder::key_list(std::span<const logged_change> changes) {
  list_.clear();
  std::uint64_t hash = 0;
  for (const auto& one : changes) {
    list_.push_back(key(one.key) << 1 | (one.content == nullptr ? 1u : 0u));
    hash = (hash ^ list_.back()) * 0x9e37'79b9'7f4a'7c15U;
    hash ^= hash >> 29;
  }
  auto [found, is_new] = list_numbers_.try_emplace(hash, list_count_, list_);
  if (!is_new && found->second.second == list_)
    return found->second.first;
  lists_.varint(list_.size());
  for (auto one : list_)
    lists_.varint(one);
  found->second = {list_count_, list_}; // of two lists with one hash the later stays known
  return list_count_++;
}

// The twin's number goes into the marks: the step to the one after the last, so that twins that
// are new in order cost a byte.
log_record_builder::known_twin& log_record_builder::twin(const logged_event& event) {
  auto [found, is_new] =
      twin_numbers_.try_emplace(event.row, known_twin{twin_count_, 0, event.shard});
  if (!is_new && found->second.shard != event.shard) {
    found->second = {twin_count_, 0, event.shard}; // it moved: spelt again, with its new shard
    is_new = true;
  }
  if (is_new) {
    auto shared = shared_prefix(last_id_, event.id);
    twins_.varint(shared);
    twins_.text(event.id.substr(shared));
    twins_.varint(static_cast<std::uint64_t>(event.shard));
    last_id_.assign(event.id);
    ++twin_count_;
  }
  marks_.signed_varint(step_between(std::uint64_t{last_twin_} + 1, found->second.number));
  last_twin_ = found->second.number;
  return found->second;
}

void log_record_builder::add_dot(const logged_event& event) {
  auto& counter = counters_[counter_key(event.shard, event.write)];
  auto is_known = counter.record == record_;
  auto expected = is_known ? counter.next : counter_;
  marks_.varint(writer_of(event.write));
  marks_.signed_varint(step_between(expected, counter_of(event.write)));
  if (!is_known)
    counter_ = counter_of(event.write);
  counter = {record_, counter_of(first_dot(event.kind, event.write)) + event.changes.size()};
}

void log_record_builder::add_stamps(const logged_event& event, std::uint8_t mode) {
  marks_.u8(mode);
  auto base = counter_of(event.write);
  for (const auto& one : event.changes) {
    marks_.varint(writer_of(one.at.write));
    marks_.signed_varint(step_between(base, counter_of(one.at.write)));
    if (mode == stamps_from)
      return;
    marks_.signed_varint(step_between(static_cast<std::uint64_t>(event.time),
                                      static_cast<std::uint64_t>(one.at.time)));
  }
}

void log_record_builder::add_value(const value& content) {
  if (content.is_text() && content.as_text().size() <= named_text_max) {
    values_.u8(tag_name);
    values_.varint(name(content.as_text()));
  } else {
    pack_value(values_, content);
  }
}

void log_record_builder::add_values(const logged_event& event) {
  if (event.kind == event_kind::created || event.kind == event_kind::moved)
    values_.varint(name(event.parent));
  if (event.kind == event_kind::created) {
    values_.varint(name(types_.text(event.type)));
    values_.varint(name(event.placement));
  }
  if (event.kind == event_kind::created || event.kind == event_kind::updated)
    values_.varint(key_list(event.changes));
  for (const auto& one : event.changes)
    if (one.content != nullptr)
      add_value(*one.content);
}

void log_record_builder::add(const logged_event& event) {
  GEMEL_CHECK(is_logged(event.kind));
  GEMEL_CHECK(event.changes.empty() || event.kind == event_kind::created
              || event.kind == event_kind::updated);
  auto stamps = stamp_mode(event);
  kinds_.u8(static_cast<std::uint8_t>(
      static_cast<unsigned>(event.kind) | static_cast<unsigned>(event.lifecycle) << 3
      | (event.source_time_us != 0 ? has_source_time : 0u) | (stamps ? has_stamps : 0u)));
  auto time = static_cast<std::uint64_t>(event.time);
  if (events_++ == 0)
    first_time_ = time_ = time;
  auto& known = twin(event);
  marks_.signed_varint(step_between(known.version + event.changes.size(), event.version));
  known.version = event.version;
  marks_.signed_varint(step_between(time_, time));
  time_ = time;
  add_dot(event);
  if (event.source_time_us != 0) {
    auto source = static_cast<std::uint64_t>(event.source_time_us);
    marks_.signed_varint(step_between(source_time_, source));
    source_time_ = source;
  }
  if (stamps)
    add_stamps(event, *stamps);
  add_values(event);
  if (event.kind == event_kind::removed)
    twin_numbers_.erase(event.row); // another twin may have the row next
}

std::string log_record_builder::take() {
  byte_writer head;
  head.u8(magic);
  head.u8(format);
  head.varint(events_);
  head.varint(first_time_);
  auto body = {&names_, &lists_, &twins_, &kinds_, &marks_, &values_};
  for (const auto* column : body)
    head.varint(column->size());
  auto made = head.take();
  made.reserve(made.size() + size() + checksum_size);
  for (const auto* column : body)
    made.append(column->view());
  auto checksum = checksum_of(made);
  made.append(reinterpret_cast<const char*>(&checksum), checksum_size);
  reset();
  return made;
}

void log_record_builder::reset() {
  for (auto* column : {&names_, &lists_, &twins_, &kinds_, &marks_, &values_})
    column->clear();
  ++record_;
  events_ = 0;
  first_time_ = time_ = source_time_ = counter_ = 0;
  name_count_ = list_count_ = twin_count_ = last_twin_ = 0;
  last_id_.clear();
  name_numbers_.clear();
  list_numbers_.clear();
  twin_numbers_.clear();
}

// ---- reading ------------------------------------------------------------------------------------

result<log_record_reader> log_record_reader::open(std::string_view bytes) {
  if (bytes.size() < 2 + checksum_size || static_cast<std::uint8_t>(bytes[0]) != magic)
    return fail(errc::store_corrupt, "log record, byte 0: it is none");
  if (static_cast<std::uint8_t>(bytes[1]) > format)
    return fail(errc::incompatible, "log record: format "
                                        + std::to_string(static_cast<std::uint8_t>(bytes[1]))
                                        + ", this program knows up to " + std::to_string(format));
  auto body = bytes.substr(0, bytes.size() - checksum_size);
  std::uint32_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + body.size(), checksum_size);
  if (checksum != checksum_of(body))
    return fail(errc::store_corrupt, "log record of " + std::to_string(bytes.size())
                                         + " bytes: the checksum does not match");
  byte_reader head{body.substr(2)};
  log_record_reader made;
  made.events_ = static_cast<std::uint32_t>(head.bounded(events_max, "too many events"));
  made.time_ = head.varint();
  std::size_t sizes[columns];
  for (auto& size : sizes)
    size = head.varint();
  std::string_view parts[columns];
  for (std::size_t i = 0; i < columns; ++i)
    parts[i] = head.raw(sizes[i]);
  if (!head.at_end())
    head.fail("bytes are left over");
  if (!head.ok() || bytes[1] == 0)
    return tl::unexpected(head.why("log record's head"));
  auto read = made.read_names(parts[0]);
  if (read)
    read = made.read_lists(parts[1]);
  if (read)
    read = made.read_twins(parts[2]);
  if (!read)
    return tl::unexpected(std::move(read.error()));
  made.kinds_ = byte_reader{parts[3]};
  made.marks_ = byte_reader{parts[4]};
  made.values_ = byte_reader{parts[5]};
  if (parts[3].size() != made.events_)
    return fail(errc::store_corrupt, "log record's kinds: not one for each event");
  return made;
}

result<void> log_record_reader::read_names(std::string_view column) {
  byte_reader in{column};
  while (in.ok() && !in.at_end()) {
    auto text = in.text(limits::id_bytes_max, "a name is too long");
    if (!is_utf8(text))
      in.fail("a name is not UTF-8");
    if (names_.size() == names_max)
      in.fail("too many names");
    names_.push_back(text);
  }
  if (!in.ok())
    return tl::unexpected(in.why("log record's names"));
  return {};
}

result<void> log_record_reader::read_lists(std::string_view column) {
  byte_reader in{column};
  while (in.ok() && !in.at_end()) {
    auto count = in.bounded(2 * limits::properties_max, "a key list is too long");
    if (count > in.left())
      in.fail("a key list is longer than the record");
    auto& list = lists_.emplace_back();
    for (std::size_t i = 0; i < count && in.ok(); ++i) {
      auto entry = in.varint();
      if (entry >> 1 >= names_.size() || names_[entry >> 1].empty())
        in.fail("a key that is not named");
      list.push_back({static_cast<std::uint32_t>(entry >> 1), (entry & 1) != 0});
    }
  }
  if (!in.ok())
    return tl::unexpected(in.why("log record's key lists"));
  return {};
}

result<void> log_record_reader::read_twins(std::string_view column) {
  byte_reader in{column};
  ids_ = std::make_unique<std::string>();
  std::vector<std::pair<std::size_t, std::size_t>> places;
  std::size_t last = 0;
  while (in.ok() && !in.at_end()) {
    auto shared = in.bounded(limits::id_bytes_max, "an id is too long");
    auto rest = in.text(limits::id_bytes_max, "an id is too long");
    auto shard = in.bounded(limits::shards - 1, "there is no such shard");
    auto size = places.empty() ? 0 : ids_->size() - last;
    if (shared > size || ids_->size() > ids_bytes_max)
      in.fail("an id shares more than the one before has");
    if (!in.ok())
      break;
    auto begin = ids_->size();
    for (std::size_t i = 0; i < shared; ++i)
      ids_->push_back((*ids_)[last + i]);
    ids_->append(rest);
    if (auto valid = check_id(std::string_view{*ids_}.substr(begin)); !valid)
      in.fail("an id is none");
    last = begin;
    places.emplace_back(begin, ids_->size() - begin);
    twins_.push_back({{}, shard_id{static_cast<std::uint16_t>(shard)}, 0});
  }
  if (!in.ok())
    return tl::unexpected(in.why("log record's twins"));
  for (std::size_t i = 0; i < places.size(); ++i)
    twins_[i].id = std::string_view{*ids_}.substr(places[i].first, places[i].second);
  return {};
}

void log_record_reader::read_dot(stored_event& out) {
  auto writer = static_cast<std::uint16_t>(marks_.bounded(0xffff, "there is no such writer"));
  auto key = counter_key(out.shard, make_dot(writer, 0));
  auto known = counters_.find(key);
  auto counter =
      step_from(known != counters_.end() ? known->second : counter_, marks_.signed_varint());
  if (counter >> 48 != 0)
    marks_.fail("a dot's counter is too large");
  if (known == counters_.end())
    counter_ = counter;
  out.write = make_dot(writer, counter & 0xffff'ffff'ffffU);
  counters_[key] = counter_of(first_dot(out.kind, out.write)) + out.changes.size();
}

void log_record_reader::read_stamps(stored_event& out, std::uint8_t mode) {
  auto start = first_dot(out.kind, out.write);
  for (std::size_t i = 0; i < out.changes.size(); ++i) {
    auto& at = out.changes[i].at;
    at = {out.time, make_dot(writer_of(start), counter_of(start) + i)};
    if (mode != stamps_each && !(mode == stamps_from && i == 0))
      continue;
    auto writer = static_cast<std::uint16_t>(marks_.bounded(0xffff, "there is no such writer"));
    auto counter = step_from(counter_of(out.write), marks_.signed_varint());
    if (counter >> 48 != 0)
      marks_.fail("a dot's counter is too large");
    at.write = make_dot(writer, counter & 0xffff'ffff'ffffU);
    if (mode == stamps_from)
      start = at.write;
    else
      at.time =
          hybrid_time{step_from(static_cast<std::uint64_t>(out.time), marks_.signed_varint())};
  }
}

std::string_view log_record_reader::read_name(const char* what) {
  auto number = values_.varint();
  if (number >= names_.size()) {
    values_.fail(what);
    return {};
  }
  return names_[number];
}

value log_record_reader::read_content() {
  auto ahead = values_;
  if (ahead.u8() != tag_name)
    return unpack_value(values_);
  values_.u8();
  return value{read_name("a text that is not named")};
}

void log_record_reader::read_values(stored_event& out) {
  out.type = out.parent = out.placement = {};
  if (out.kind == event_kind::created || out.kind == event_kind::moved)
    out.parent = read_name("a parent that is not named");
  if (out.kind == event_kind::created) {
    out.type = read_name("a type that is not named");
    out.placement = read_name("a placement that is not named");
  }
  out.changes.clear();
  if (out.kind != event_kind::created && out.kind != event_kind::updated)
    return;
  auto list = values_.varint();
  if (list >= lists_.size())
    return values_.fail("a key list that is not there");
  out.changes.resize(lists_[list].size());
  for (std::size_t i = 0; i < out.changes.size() && values_.ok(); ++i) {
    auto& change = out.changes[i];
    change.key = names_[lists_[list][i].name];
    change.removed = lists_[list][i].removed;
    change.content = change.removed ? value{} : read_content();
  }
}

result<bool> log_record_reader::why() const {
  return tl::unexpected(!values_.ok() ? values_.why("log record's values")
                                      : marks_.why("log record's marks"));
}

result<void> log_record_reader::check_end() const {
  auto marks = marks_;
  auto values = values_;
  if (!marks.at_end())
    marks.fail("bytes are left over");
  if (!values.at_end())
    values.fail("bytes are left over");
  if (!marks.ok() || !values.ok())
    return tl::unexpected(!values.ok() ? values.why("log record's values")
                                       : marks.why("log record's marks"));
  return {};
}

result<bool> log_record_reader::next(stored_event& out) {
  if (done_ == events_) {
    if (auto ended = check_end(); !ended)
      return tl::unexpected(std::move(ended.error()));
    return false;
  }
  ++done_;
  auto kind = kinds_.u8();
  out.kind = static_cast<event_kind>(kind & 7);
  out.lifecycle = static_cast<lifecycle_state>(kind >> 3 & 7);
  if (!is_logged(out.kind) || out.lifecycle > lifecycle_state::deleted)
    return fail(errc::store_corrupt, "log record's kinds, byte " + std::to_string(done_ - 1)
                                         + ": an event of unknown kind");
  auto number = step_from(std::uint64_t{last_twin_} + 1, marks_.signed_varint());
  if (number >= twins_.size())
    marks_.fail("a twin that is not named");
  if (!marks_.ok())
    return why();
  last_twin_ = static_cast<std::uint32_t>(number);
  auto& twin = twins_[number];
  out.id = twin.id;
  out.shard = twin.shard;
  read_values(out);
  if (!values_.ok())
    return why();
  twin.version = step_from(twin.version + out.changes.size(), marks_.signed_varint());
  out.version = twin.version;
  time_ = step_from(time_, marks_.signed_varint());
  out.time = hybrid_time{time_};
  read_dot(out);
  out.source_time_us = 0;
  if ((kind & has_source_time) != 0) {
    source_time_ = step_from(source_time_, marks_.signed_varint());
    out.source_time_us = static_cast<std::int64_t>(source_time_);
  }
  auto mode = std::uint8_t{UINT8_MAX};
  if ((kind & has_stamps) != 0) {
    mode = marks_.u8();
    if (mode > stamps_each)
      marks_.fail("stamps of unknown form");
  }
  read_stamps(out, mode);
  if (!marks_.ok())
    return why();
  return true;
}

} // namespace gemel
