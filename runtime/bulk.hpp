#pragma once

#include "actors/ports.hpp"
#include "runtime/bulk_core.hpp"
#include "runtime/bulk_reader.hpp"
#include "runtime/twin_api.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// Bulk work on twins: creates, updates, deletes and events from a file or a query, as many as
/// there are, in bounded memory. The program's `gemel bulk` is made of it.
///
///     auto node = gemel::client::connect("127.0.0.1:7433").value();
///     gemel::bulk_text_input twins{{.file = "twins.jsonl"}, read_some};
///     auto report = gemel::run_bulk(twins, {}, {.clock = clock, .open = ...}, {});
namespace gemel {

/// Where the items of a bulk run come from.
class bulk_input {
public:
  enum class state : std::uint8_t {
    /// More may come at once.
    ready,
    /// Nothing came within the wait.
    idle,
    ended,
  };

  virtual ~bulk_input() = default;

  /// Adds what comes next to `into`, waiting at most `wait` if nothing is there.
  /// @returns errc::io_failed; the node's errors if it comes from one.
  virtual result<state> read(std::deque<bulk_entry>& into, std::chrono::milliseconds wait) = 0;
};

/// Reads some bytes; an empty text: nothing came within the wait; nothing: the end.
using byte_source =
    std::function<result<std::optional<std::string_view>>(std::chrono::milliseconds wait)>;

/// Items in a text, see runtime/bulk_document.hpp and runtime/csv_columns.hpp.
class bulk_text_input final : public bulk_input {
public:
  bulk_text_input(bulk_reader::options wanted, byte_source read);

  result<state> read(std::deque<bulk_entry>& into, std::chrono::milliseconds wait) override;

private:
  std::deque<bulk_entry>* into_ = nullptr;
  byte_source bytes_;
  bulk_reader reader_;
};

/// Opens a link to the node; again after it broke.
using link_opener = std::function<result<std::shared_ptr<twin_api>>()>;

/// Items made of the twins that a query finds. The whole answer is never held, so a twin that comes
/// or goes meanwhile may be among them or not.
class bulk_query_input final : public bulk_input {
public:
  /// Nothing: the twin is left out.
  using make_item = std::function<std::optional<bulk_content>(const twin_record& twin)>;

  /// @param open for a link of its own.
  bulk_query_input(query_request asked, link_opener open, make_item make);

  result<state> read(std::deque<bulk_entry>& into, std::chrono::milliseconds wait) override;

private:
  query_request asked_;
  link_opener open_;
  make_item make_;
  std::shared_ptr<twin_api> link_;
  std::uint64_t items_ = 0;
  bool ended_ = false;
};

/// What a run needs from the world.
struct bulk_world {
  const clock_port& clock;
  link_opener open;
  /// Asked some ten times a second; true: nothing more is sent, and what is under way waited for.
  std::function<bool()> should_stop{};
  /// How long to try to reach a node that went away.
  std::chrono::milliseconds reconnect_max = std::chrono::seconds{60};
};

/// How far a run is.
struct bulk_state {
  bulk_totals totals{};
  /// The first item without an outcome: an interrupted run goes on there. Nothing: all that was
  /// read has one.
  std::optional<bulk_place> first_open{};
  /// The last item read.
  bulk_place last_read{};
};

/// What a run tells while it goes on; all from the calling thread, all may be empty.
struct bulk_watch {
  std::function<void(const bulk_outcome&)> outcome{};
  /// Items that could not be read.
  std::function<void(const bulk_entry&)> bad{};
  /// Some five times a second, and at the end.
  std::function<void(const bulk_state&)> progress{};
  /// The link broke, and is tried again.
  std::function<void(const error&)> lost{};
};

struct bulk_report {
  bulk_state state{};
  /// All items have their outcome. Else it was stopped, or something broke.
  bool is_complete = false;
  /// What broke: the input, or the link for good.
  std::optional<error> broken{};
};

/// Carries out a run to its end; blocks.
bulk_report run_bulk(bulk_input& input, const bulk_rules& rules, const bulk_world& world,
                     const bulk_watch& watch);

} // namespace gemel
