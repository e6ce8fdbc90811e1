#pragma once

#include "messages/lifecycle_state.hpp"
#include "messages/packed.hpp"
#include "messages/records.hpp"
#include "messages/stamp.hpp"
#include "registry/placement.hpp"
#include "registry/symbols.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What changed in one turn of one cell, as the bytes that the log keeps. Events keep their order.
///
/// A record: a byte 'g', a byte of format version, a varint each of the number of events, the time
/// of the first, and the lengths of six columns; the columns; a checksum of 4 bytes. The columns:
/// names (keys, types and short texts, each spelt once), key lists, twins (id without the bytes it
/// shares with the one before, and shard), kinds (one byte each event), marks (numbers that mostly
/// are steps from what was expected: of versions, times and dots), and values.
namespace gemel {

/// One property's change, to be written.
struct logged_change {
  key_id key{};
  /// Null: the property is gone.
  const value* content = nullptr;
  stamp at{};
};

/// One event, to be written. The texts and changes are only read while it is added.
struct logged_event {
  event_kind kind = event_kind::updated;
  lifecycle_state lifecycle = lifecycle_state::active;
  shard_id shard{};
  /// Which row of the cell; tells the twins of one record apart.
  std::uint32_t row = 0;
  std::string_view id{};
  /// After the event.
  std::uint64_t version = 0;
  hybrid_time time{};
  /// The event's own dot; of `updated` that of its first change.
  dot write{};
  /// Microseconds since 1970 UTC; 0: not given.
  std::int64_t source_time_us = 0;
  std::span<const logged_change> changes{};
  /// Of `created` only.
  type_id type{};
  /// Of `created`: the explicit placement key; empty: none.
  std::string_view placement{};
  /// Of `created` and `moved`; empty: a root.
  std::string_view parent{};
};

/// Builds records, one after the other; keeps its memory between them. One thread at a time.
class log_record_builder {
public:
  /// @param keys, types give the texts of the numbers that events name.
  log_record_builder(symbol_cache& keys, symbol_cache& types) : keys_{keys}, types_{types} {}

  /// Adds one event: created, updated, removed, lifecycle or moved; GEMEL_CHECKs that.
  void add(const logged_event& event);

  /// The row is another twin's from now on.
  void forget(std::uint32_t row) { twin_numbers_.erase(row); }

  bool empty() const noexcept { return events_ == 0; }
  std::uint32_t events() const noexcept { return events_; }
  /// Bytes of the record so far, without its head.
  std::size_t size() const noexcept;

  /// The record; the builder is empty again.
  std::string take();

private:
  struct known_twin {
    std::uint32_t number = 0;
    std::uint64_t version = 0;
    shard_id shard{};
  };
  struct known_key {
    std::uint32_t record = 0;
    std::uint32_t number = 0;
  };
  struct shard_counter {
    std::uint32_t record = 0;
    std::uint64_t next = 0;
  };

  std::uint32_t name(std::string_view text);
  std::uint32_t key(key_id number);
  std::uint32_t key_list(std::span<const logged_change> changes);
  known_twin& twin(const logged_event& event);
  void add_dot(const logged_event& event);
  void add_stamps(const logged_event& event, std::uint8_t mode);
  void add_values(const logged_event& event);
  void add_value(const value& content);
  void reset();

  symbol_cache& keys_;
  symbol_cache& types_;
  std::uint32_t record_ = 1;
  std::uint32_t events_ = 0;
  std::uint64_t first_time_ = 0;
  std::uint64_t time_ = 0;
  std::uint64_t source_time_ = 0;
  std::uint64_t counter_ = 0;
  std::uint32_t name_count_ = 0;
  std::uint32_t list_count_ = 0;
  std::uint32_t twin_count_ = 0;
  std::uint32_t last_twin_ = 0;
  std::string last_id_;
  byte_writer names_;
  byte_writer lists_;
  byte_writer twins_;
  byte_writer kinds_;
  byte_writer marks_;
  byte_writer values_;
  boost::unordered_flat_map<std::string, std::uint32_t> name_numbers_;
  std::vector<known_key> key_numbers_;
  // By hash of the list; the list is compared.
  boost::unordered_flat_map<std::uint64_t, std::pair<std::uint32_t, std::vector<std::uint32_t>>>
      list_numbers_;
  std::vector<std::uint32_t> list_;
  boost::unordered_flat_map<std::uint32_t, known_twin> twin_numbers_;
  // By writer and shard.
  boost::unordered_flat_map<std::uint32_t, shard_counter> counters_;
};

/// One property's change, as read.
struct stored_change {
  std::string_view key{};
  bool removed = false;
  value content{};
  stamp at{};
};

/// One event, as read. The texts live as long as the record's bytes.
struct stored_event {
  event_kind kind = event_kind::updated;
  lifecycle_state lifecycle = lifecycle_state::active;
  shard_id shard{};
  std::string_view id{};
  std::uint64_t version = 0;
  hybrid_time time{};
  dot write{};
  std::int64_t source_time_us = 0;
  std::vector<stored_change> changes{};
  std::string_view type{};
  std::string_view placement{};
  std::string_view parent{};
};

/// Reads a record of any origin: whatever the bytes, it ends with all events or a named error.
class log_record_reader {
public:
  /// Checks the frame, the checksum and the dictionaries. `bytes` must outlive the reader.
  /// @returns errc::store_corrupt with the place; errc::incompatible for a newer format.
  static result<log_record_reader> open(std::string_view bytes);

  std::uint32_t events() const noexcept { return events_; }

  /// The next event into `out`, whose memory is used again; false: that was all.
  result<bool> next(stored_event& out);

private:
  struct read_twin {
    std::string_view id;
    shard_id shard{};
    std::uint64_t version = 0;
  };
  struct listed_key {
    std::uint32_t name;
    bool removed;
  };

  log_record_reader() noexcept : kinds_{{}}, marks_{{}}, values_{{}} {}
  result<void> read_names(std::string_view column);
  result<void> read_lists(std::string_view column);
  result<void> read_twins(std::string_view column);
  result<void> check_texts();
  void read_dot(stored_event& out);
  void read_stamps(stored_event& out, std::uint8_t mode);
  void read_values(stored_event& out);
  value read_content();
  std::string_view read_name(const char* what);
  result<void> check_end() const;
  result<bool> why() const;

  std::uint32_t events_ = 0;
  std::uint32_t done_ = 0;
  std::uint64_t time_ = 0;
  std::uint64_t source_time_ = 0;
  std::uint64_t counter_ = 0;
  std::uint32_t last_twin_ = 0;
  std::vector<std::string_view> names_;
  std::vector<std::vector<listed_key>> lists_;
  std::vector<read_twin> twins_;
  // Ids are put together from parts; one block, so that views stay good.
  std::unique_ptr<std::string> ids_;
  byte_reader kinds_;
  byte_reader marks_;
  byte_reader values_;
  boost::unordered_flat_map<std::uint32_t, std::uint64_t> counters_;
};

} // namespace gemel
