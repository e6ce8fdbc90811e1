#include "runtime/detail/config_table.hpp"

#include "actors/sync/conflict_policy.hpp"
#include "messages/duration.hpp"
#include "messages/names.hpp"
#include "messages/text.hpp"
#include "runtime/adapters/http_client.hpp"
#include "runtime/detail/cluster_check.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

namespace gemel::detail {

namespace {

constexpr std::string_view strategy_names[] = {"one_for_one", "one_for_all", "rest_for_one"};
constexpr std::string_view restart_names[] = {"permanent", "transient", "temporary"};
constexpr std::string_view type_durability_names[] = {"node", "memory", "process", "disk"};
constexpr std::string_view export_format_names[] = {"influx"};
constexpr std::string_view level_names[] = {"trace", "debug", "info", "warn", "error", "off"};

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// The four numbers of `a.b.c.d`; nothing for all other forms, short ones such as `127.1` too.
std::optional<std::array<unsigned, 4>> ipv4_of(std::string_view text) {
  std::array<unsigned, 4> parts{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto dot = i + 1 < parts.size() ? text.find('.') : text.size();
    if (dot == std::string_view::npos || dot == 0 || dot > 3
        || !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(dot), is_digit))
      return std::nullopt;
    std::from_chars(text.data(), text.data() + dot, parts[i]);
    if (parts[i] > 255)
      return std::nullopt;
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return parts;
}

// A host name by RFC 1123: labels of letters, digits and '-'. One whose last label begins with a
// digit would be taken for a number by some systems.
bool is_host_name(std::string_view text) {
  auto in_name = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; };
  auto last = text.substr(text.rfind('.') + 1);
  return text.size() <= 253 && std::all_of(text.begin(), text.end(), in_name) && !last.empty()
         && is_letter(last.front()) && last.back() != '-' && text.front() != '-'
         && text.front() != '.' && text.find("..") == std::string_view::npos;
}

// Tells addresses from other texts; whether one exists, the system says when the node listens.
bool looks_like_ipv6(std::string_view text) {
  auto in_address = [](char c) { return is_hex(c) || c == ':' || c == '.'; };
  return text.size() <= 45 && std::count(text.begin(), text.end(), ':') >= 2
         && std::all_of(text.begin(), text.end(), in_address);
}

} // namespace

result<void> check_address(std::string_view text) {
  if (!text.empty() && (ipv4_of(text) || looks_like_ipv6(text) || is_host_name(text)))
    return {};
  return fail(errc::bad_value, "it is no address");
}

namespace {

result<void> check_policy(std::string_view text) {
  return policy_from_string(text).map([](const auto&) {});
}

result<void> check_policy_or_none(std::string_view text) {
  return text.empty() ? result<void>{} : check_policy(text);
}

result<void> check_type_or_none(std::string_view text) {
  return text.empty() ? result<void>{} : check_type(text);
}

result<void> check_label(std::string_view text) {
  constexpr std::size_t label_bytes_max = 64;
  if (text.empty() || text.size() > label_bytes_max)
    return fail(errc::bad_value, "a label has 1 to 64 bytes");
  return {};
}

result<void> check_path_or_none(std::string_view text) {
  constexpr std::size_t path_bytes_max = 4'000;
  if (text.size() > path_bytes_max || text.find('\0') != std::string_view::npos)
    return fail(errc::bad_value, "it is no path");
  return {};
}

// Shown in tables, so it is short and has no control characters.
result<void> check_folder_or_none(std::string_view text) {
  if (text.find('\0') != std::string_view::npos)
    return fail(errc::bad_value, "holds a zero byte");
  return {};
}

result<void> check_url_or_none(std::string_view text) {
  return text.empty() ? result<void>{} : check_http_url(std::string{text});
}

result<void> check_header_or_none(std::string_view text) {
  auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
  if (text.empty()
      || (text.find(": ") != std::string_view::npos && text.find(": ") > 0
          && std::none_of(text.begin(), text.end(), is_control)))
    return {};
  return fail(errc::bad_value, "it is no header such as 'Authorization: Token abc'");
}

result<void> check_peer(std::string_view text) {
  return read_peer(text).and_then([](const peer_address& peer) -> result<void> {
    return peer.host.empty() ? result<void>{} : check_address(peer.host);
  });
}

result<void> check_address_or_none(std::string_view text) {
  return text.empty() ? result<void>{} : check_address(text);
}

result<void> check_unit(std::string_view text) {
  constexpr std::size_t unit_bytes_max = 64;
  if (text.empty())
    return {};
  if (text.size() > unit_bytes_max)
    return fail(errc::bad_value, "more than " + std::to_string(unit_bytes_max) + " bytes");
  return check_key(text).map_error([](const error&) {
    return error{errc::bad_value, "it holds a control character or is no UTF-8"};
  });
}

constexpr auto microseconds_per_ms = std::int64_t{1'000};
// A year: what hears of nothing for longer is not watched.
constexpr std::uint64_t stale_after_ms_max = 365ull * 86'400 * 1'000;
constexpr std::uint64_t history_keep_ms_max = 100ull * 365 * 86'400 * 1'000;

// The one description of every option.
constexpr option table[] = {
    {.key = "node.id",
     .unit = "1 to 256 bytes without '/'",
     .help = "Name of this node, in its answers, logs and to its peers.",
     .slot = [](option_target c) -> option_slot { return &c.node.node.id; },
     .check = check_id},
    {.key = "node.workers",
     .unit = "threads",
     .max = 1'024,
     .help = "Threads that run the twins. 0: one per core of the machine.",
     .slot = [](option_target c) -> option_slot { return &c.node.node.workers; }},
    {.key = "node.cells_per_worker",
     .unit = "cells",
     .min = 1,
     .max = 64,
     .help = "A cell runs the twins of its shards, one after the other. More cells spread work "
             "more evenly and cost some memory each.",
     .slot = [](option_target c) -> option_slot { return &c.node.node.cells_per_worker; }},
    {.key = "node.seed",
     .max = std::numeric_limits<std::int64_t>::max(),
     .help = "Seed of every random choice of the node, such as the ids it makes. 0: from the "
             "system's entropy.",
     .slot = [](option_target c) -> option_slot { return &c.node.node.seed; }},

    {.key = "listen.address",
     .unit = R"(such as "127.0.0.1", "::1" or a host name)",
     .help = "Where the node listens: an address or host name. Any but a loopback address also "
             "needs allow_insecure.",
     .slot = [](option_target c) -> option_slot { return &c.node.listen.address; },
     .check = check_address},
    {.key = "listen.port",
     .max = 65'535,
     .help = "0: any that is free; the node prints which.",
     .slot = [](option_target c) -> option_slot { return &c.node.listen.port; }},
    {.key = "listen.allow_insecure",
     .help = "Whether the address may be reached from other machines. Without certificates anyone "
             "who reaches the node controls it.",
     .slot = [](option_target c) -> option_slot { return &c.node.listen.allow_insecure; }},

    {.key = "limits.twins_max",
     .unit = "twins",
     .min = 1,
     .max = limits::rows_max,
     .help = "Twins of this node.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.twins_max; }},
    {.key = "limits.children_max",
     .unit = "twins",
     .min = 1,
     .max = limits::children_max,
     .help = "Children of one parent.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.children_max; }},
    {.key = "limits.depth_max",
     .unit = "levels",
     .min = 1,
     .max = limits::hierarchy_depth_max,
     .help = "Levels of the hierarchy, the root counted.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.depth_max; }},
    {.key = "limits.properties_max",
     .unit = "properties",
     .min = 1,
     .max = limits::properties_max,
     .help = "Properties of one twin.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.properties_max; }},
    {.key = "limits.frame_bytes_max",
     .unit = "bytes",
     .min = 65'536,
     .max = limits::frame_bytes_max,
     .help = "One message from outside.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.frame_bytes_max; }},
    {.key = "limits.cell_queue_items_max",
     .unit = "messages",
     .min = 1,
     .max = limits::cell_queue_items_max,
     .help = "Work waiting for one cell; beyond it senders are told that the node is overloaded.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.cell_queue_items_max; }},
    {.key = "limits.cell_queue_bytes_max",
     .unit = "bytes",
     .min = 65'536,
     .max = limits::cell_queue_bytes_max,
     .help = "The same in bytes; at least frame_bytes_max.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.cell_queue_bytes_max; }},
    {.key = "limits.page_rows_max",
     .unit = "rows",
     .min = 1,
     .max = limits::page_rows_max,
     .help = "Twins of one page of an answer; more come page by page.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.page_rows_max; }},
    {.key = "limits.sessions_max",
     .unit = "sessions",
     .min = 1,
     .max = limits::sessions_max,
     .help = "Programs connected at a time.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.sessions_max; }},
    {.key = "limits.subscriptions_max",
     .unit = "subscriptions",
     .min = 1,
     .max = limits::subscriptions_max,
     .help = "Subscriptions of all sessions together.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.subscriptions_max; }},
    {.key = "limits.subscriber_backlog_max",
     .unit = "events",
     .min = 1,
     .max = limits::subscriber_backlog_max,
     .help = "Events kept for one slow subscriber; beyond it they are replaced by one notice of "
             "the gap.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.subscriber_backlog_max; }},
    {.key = "limits.subscriber_backlog_bytes_max",
     .unit = "bytes",
     .min = 65'536,
     .max = limits::subscriber_backlog_bytes_max,
     .help = "The same in bytes, of subscribers that can be resumed or have a rate limit.",
     .slot = [](option_target c) -> option_slot {
       return &c.node.limits.subscriber_backlog_bytes_max;
     }},
    {.key = "limits.subscription_keep_max",
     .max = static_cast<std::uint64_t>(limits::subscription_keep_max.count()),
     .help = "How long a subscription may outlive its link, to be resumed.",
     .slot = [](option_target c) -> option_slot {
       return microseconds_slot{&c.node.limits.subscription_keep_max_us};
     }},
    {.key = "limits.batch_entries_max",
     .unit = "entries",
     .min = 1,
     .max = limits::batch_entries_max,
     .help = "Entries of one batch of creates, updates, deletes and the like.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.batch_entries_max; }},
    {.key = "limits.parked_creates_max",
     .unit = "creates",
     .min = 1,
     .max = limits::parked_creates_max,
     .help = "Creates that wait in one cell for the answer of their parent's cell.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.parked_creates_max; }},
    {.key = "limits.gatherings_max",
     .unit = "requests",
     .min = 1,
     .max = limits::gatherings_max,
     .help = "Queries, gets, subscribes and the like under way at once; each holds its answer in "
             "memory.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.gatherings_max; }},
    {.key = "limits.session_requests_max",
     .unit = "requests",
     .min = 1,
     .max = limits::session_requests_max,
     .help = "Requests of one session that have no answer yet.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.session_requests_max; }},
    {.key = "limits.page_bytes_max",
     .unit = "bytes",
     .min = 65'536,
     .max = limits::page_bytes_max,
     .help = "Twins of one page of an answer, in bytes; more come page by page.",
     .slot = [](option_target c) -> option_slot { return &c.node.limits.page_bytes_max; }},

    {.key = "supervision.strategy",
     .help = "Who is restarted when a child crashes: the child alone, all children of its parent, "
             "or it and those started after it.",
     .slot = [](option_target c) -> option_slot { return &c.policy.strategy; },
     .choices = strategy_names},
    {.key = "supervision.restart",
     .help = "When a child that ended is restarted: always, only after a crash, or never.",
     .slot = [](option_target c) -> option_slot { return &c.policy.kind; },
     .choices = restart_names},
    {.key = "supervision.intensity",
     .unit = "restarts",
     .max = restart_intensity_max,
     .help = "Restarts within one period that a parent tolerates; one more, and it gives up and "
             "its own parent decides. 0: the first one is too many.",
     .slot = [](option_target c) -> option_slot { return &c.policy.intensity; }},
    {.key = "supervision.period",
     .min = 1,
     .max = restart_period_us_max / microseconds_per_ms,
     .help = "The time over which restarts are counted.",
     .slot = [](option_target c) -> option_slot { return microseconds_slot{&c.policy.period_us}; }},

    {.key = "types.extends",
     .unit = "a type, or empty",
     .help = "The type whose declarations this one has too.",
     .slot = [](option_target c) -> option_slot { return &c.model.extends; },
     .check = check_type_or_none},
    {.key = "types.capabilities",
     .unit = R"(such as ["cooling"])",
     .help = "What its twins can do; queries ask for it by has_capability('cooling').",
     .slot = [](option_target c) -> option_slot { return &c.model.capabilities; },
     .check = check_key},
    {.key = "types.conflict",
     .unit = "a strategy, or empty",
     .help = "As sync.conflict, for its properties that say nothing; empty: as the node says.",
     .slot = [](option_target c) -> option_slot { return &c.model.conflict; },
     .check = check_policy_or_none},
    {.key = "types.closed",
     .help = "Whether properties that are not declared are refused.",
     .slot = [](option_target c) -> option_slot { return &c.model.closed; }},
    {.key = "types.stale_after",
     .max = stale_after_ms_max,
     .help = "Without data for this long an active twin becomes stale. 0ms: never.",
     .slot = [](option_target c) -> option_slot {
       return microseconds_slot{&c.model.stale_after_us};
     }},
    {.key = "types.passive_after",
     .max = stale_after_ms_max,
     .help =
         "A twin that nobody used for this long leaves memory until it is needed again, as with "
         "store.max_active; it may take up to twice the time. 0ms: only if there are too many. "
         "Needs store.path.",
     .slot = [](option_target c) -> option_slot {
       return microseconds_slot{&c.model.passive_after_us};
     }},
    {.key = "types.history_keep",
     .max = history_keep_ms_max,
     .help = "How long values of its properties with history = true are kept. 0ms: as history.keep "
             "says.",
     .slot = [](option_target c) -> option_slot {
       return microseconds_slot{&c.model.history_keep_us};
     }},
    {.key = "types.durability",
     .help = "What must be true before a write to its twins is answered, as in store.durability; "
             "node: what that says.",
     .slot = [](option_target c) -> option_slot { return &c.model.durable; },
     .choices = type_durability_names},
    {.key = "types.rollups",
     .unit = R"(such as ["temperature"])",
     .help = "Properties of the twins below that its twins keep count, sum, mean, min and max of.",
     .slot = [](option_target c) -> option_slot { return &c.model.rollups; },
     .check = check_key},

    {.key = "properties.kind",
     .help = "What its values must be; number is an integer or a decimal number.",
     .slot = [](option_target c) -> option_slot { return &c.property.kind; },
     .choices = property_kind_names},
    {.key = "properties.unit",
     .unit = R"(such as "degC")",
     .help = "Of its values, for people.",
     .slot = [](option_target c) -> option_slot { return &c.property.unit; },
     .check = check_unit},
    {.key = "properties.min",
     .help = "Of numbers: the least that is accepted.",
     .slot = [](option_target c) -> option_slot { return &c.property.min; }},
    {.key = "properties.max",
     .help = "Of numbers: the greatest that is accepted.",
     .slot = [](option_target c) -> option_slot { return &c.property.max; }},
    {.key = "properties.indexed",
     .help = "Whether it is kept in order, so that queries by it look at no other twins.",
     .slot = [](option_target c) -> option_slot { return &c.property.indexed; }},
    {.key = "properties.unique",
     .help = "Whether no two twins of the node may have the same value; a twin can then be found "
             "by it. Texts and integers only.",
     .slot = [](option_target c) -> option_slot { return &c.property.unique; }},
    {.key = "properties.history",
     .help = "Whether every value of it is kept with its time, see [history]. Needs store.path.",
     .slot = [](option_target c) -> option_slot { return &c.property.history; }},
    {.key = "properties.history_keep",
     .max = history_keep_ms_max,
     .help = "For how long. 0ms: as history_keep of its type says.",
     .slot = [](option_target c) -> option_slot {
       return microseconds_slot{&c.property.history_keep_us};
     }},

    {.key = "properties.conflict",
     .unit = "a strategy, or empty",
     .help = "How concurrent writes of several nodes become one value; empty: as the type says.",
     .slot = [](option_target c) -> option_slot { return &c.property.conflict; },
     .check = check_policy_or_none},

    {.key = "store.path",
     .unit = "a folder, or empty",
     .help = "Where twins are kept. It is made if it is not there. Empty: they are in memory only "
             "and end with the node.",
     .slot = [](option_target c) -> option_slot { return &c.node.store.path; },
     .check = check_path_or_none},
    {.key = "store.durability",
     .help = "What must be true before a write is answered that asks for nothing itself: it is "
             "applied, it survives the end of the process, or it is on the disk.",
     .slot = [](option_target c) -> option_slot { return &c.node.store.level; },
     .choices = durability_names},
    {.key = "store.reserve_bytes",
     .unit = "bytes",
     .min = 1u << 20,
     .max = std::uint64_t{64} << 30,
     .help = "Room kept back on the disk, so that what was accepted can be written when it fills "
             "up. New writes are refused while less than this is free besides.",
     .slot = [](option_target c) -> option_slot { return &c.node.store.reserve_bytes; }},
    {.key = "store.max_active",
     .max = limits::rows_max * std::uint64_t{limits::cells_max},
     .help = "Twins that are in memory at once; of more, those that were used least lately wait in "
             "the store until they are needed. Twins with a running behaviour stay. 0: all. Needs "
             "store.path.",
     .slot = [](option_target c) -> option_slot { return &c.node.store.max_active; }},
    {.key = "store.log_bytes",
     .unit = "bytes",
     .min = 1u << 16,
     .max = std::uint64_t{1} << 40,
     .help = "Log between two snapshots of all twins, at least. More means fewer snapshots and a "
             "longer start.",
     .slot = [](option_target c) -> option_slot { return &c.node.store.log_bytes; }},

    {.key = "history.keep",
     .max = history_keep_ms_max,
     .help = "What happened longer ago is forgotten, a day at a time. 0ms: nothing is, for its "
             "age.",
     .slot = [](option_target c) -> option_slot {
       return microseconds_slot{&c.node.history.keep_us};
     }},
    {.key = "history.bytes_max",
     .unit = "bytes",
     .max = std::uint64_t{1} << 50,
     .help = "Bytes of history on the disk above which its oldest day is forgotten. 0: no bound.",
     .slot = [](option_target c) -> option_slot { return &c.node.history.bytes_max; }},

    {.key = "export.url",
     .unit = R"(such as "http://127.0.0.1:8428/write")",
     .help = "Where the values of properties with history = true are posted. Needs store.path. "
             "Empty: nowhere.",
     .slot = [](option_target c) -> option_slot { return &c.node.export_to.url; },
     .check = check_url_or_none},
    {.key = "export.format",
     .help = "How they are written: influx is InfluxDB's line protocol, which VictoriaMetrics and "
             "others read.",
     .slot = [](option_target c) -> option_slot { return &c.node.export_to.format; },
     .choices = export_format_names},
    {.key = "export.header",
     .unit = R"(such as "Authorization: Token abc")",
     .help = "A header that goes along. Empty: none.",
     .slot = [](option_target c) -> option_slot { return &c.node.export_to.header; },
     .check = check_header_or_none},
    {.key = "export.interval",
     .max = 3'600'000,
     .help = "How long a batch waits for more values.",
     .slot = [](option_target c) -> option_slot {
       return microseconds_slot{&c.node.export_to.interval_us};
     }},
    {.key = "export.batch_bytes",
     .unit = "bytes",
     .min = 4'096,
     .max = std::uint64_t{16} << 20,
     .help = "A batch of so many bytes is sent at once.",
     .slot = [](option_target c) -> option_slot { return &c.node.export_to.batch_bytes; }},
    {.key = "export.queue_bytes_max",
     .unit = "bytes",
     .min = 65'536,
     .max = std::uint64_t{1} << 40,
     .help = "Bytes of log that wait for the server at most; beyond it the oldest values are given "
             "up and counted.",
     .slot = [](option_target c) -> option_slot { return &c.node.export_to.queue_bytes_max; }},

    {.key = "sync.types",
     .unit = R"(such as ["machine"])",
     .help = "Types of the twins that peers are given and that are taken from them; none: all.",
     .slot = [](option_target c) -> option_slot { return &c.node.sync.types; },
     .check = check_type_or_none},
    {.key = "sync.receive_only",
     .unit = R"(such as ["edge-1"])",
     .help = "Peers that are sent nothing: what they write is taken, what is written here stays "
             "here. Each must be one of cluster.peers; none: twins go both ways.",
     .slot = [](option_target c) -> option_slot { return &c.node.sync.receive_only; },
     .check = check_peer},
    {.key = "sync.conflict",
     .unit = "a strategy",
     .help = "How writes of several nodes that did not know of each other become one value: "
             "last_write_wins, version_based, authority:NODE, max, min, sum, counter, set, "
             "map, manual, or function:NAME, a function that the embedding program has. Types and "
             "properties may say otherwise.",
     .slot = [](option_target c) -> option_slot { return &c.node.sync.conflict; },
     .check = check_policy},

    {.key = "lane.flush_events",
     .unit = "events",
     .min = 1,
     .max = limits::batch_entries_max,
     .help = "As many events go at once, before the cell's turn ends.",
     .slot = [](option_target c) -> option_slot { return &c.node.lane.flush_events; }},

    {.key = "rules.folder",
     .unit = "a folder, or empty",
     .help = "Event rules (*.json), read at the start and again when they change.",
     .slot = [](option_target c) -> option_slot { return &c.node.rules.folder; },
     .check = check_folder_or_none},
    {.key = "rules.workers",
     .unit = "threads",
     .max = 64,
     .help = "Threads that run event rules. 0: one per core, at most four.",
     .slot = [](option_target c) -> option_slot { return &c.node.rules.workers; }},
    {.key = "rules.dead_letters",
     .unit = "a file, or empty",
     .help = "Where webhooks of rules go that no server took, a JSON object a line. Empty: "
             "rule-dead-letters.jsonl in store.path, if there is one.",
     .slot = [](option_target c) -> option_slot { return &c.node.rules.dead_letters; },
     .check = check_path_or_none},

    {.key = "workflows.folder",
     .unit = "a folder",
     .help =
         "Documents of workflows (*.json), read at the start and when they change. Empty: none.",
     .slot = [](option_target c) -> option_slot { return &c.node.workflows.folder; },
     .check = check_path_or_none},
    {.key = "workflows.functions",
     .unit = "a folder",
     .help = "Functions in Lua (*.lua), read at the start and when they change. Empty: none.",
     .slot = [](option_target c) -> option_slot { return &c.node.workflows.functions; },
     .check = check_path_or_none},
    {.key = "workflows.open_max",
     .unit = "runs",
     .min = 1,
     .max = 10'000'000,
     .help = "Runs that have not ended; beyond it none is started.",
     .slot = [](option_target c) -> option_slot { return &c.node.workflows.open_max; }},
    {.key = "workflows.ended_max",
     .unit = "runs",
     .max = 10'000'000,
     .help = "Runs that have ended and can still be looked at; the oldest are forgotten.",
     .slot = [](option_target c) -> option_slot { return &c.node.workflows.ended_max; }},

    {.key = "compute.workers_max",
     .unit = "threads",
     .max = 1'024,
     .help = "Most threads that call functions. 0: one per core of the machine.",
     .slot = [](option_target c) -> option_slot { return &c.node.compute.workers_max; }},
    {.key = "compute.workers_min",
     .unit = "threads",
     .min = 1,
     .max = 1'024,
     .help = "As many stay when there is nothing to do.",
     .slot = [](option_target c) -> option_slot { return &c.node.compute.workers_min; }},
    {.key = "compute.grow_delay",
     .min = 1,
     .max = 60'000,
     .help = "A call that waits longer asks for another thread.",
     .slot = [](option_target c) -> option_slot {
       return microseconds_slot{&c.node.compute.grow_delay_us};
     }},
    {.key = "compute.shrink_after",
     .min = 100,
     .max = 86'400'000,
     .help = "A thread that was not needed for so long goes.",
     .slot = [](option_target c) -> option_slot {
       return microseconds_slot{&c.node.compute.shrink_after_us};
     }},
    {.key = "compute.waiting_max",
     .unit = "calls",
     .min = 1,
     .max = 10'000'000,
     .help = "Calls that may wait; beyond it they fail as overloaded.",
     .slot = [](option_target c) -> option_slot { return &c.node.compute.waiting_max; }},
    {.key = "compute.function_max",
     .unit = "calls",
     .max = 1'024,
     .help = "Calls of one function at a time. 0: as many as there are threads.",
     .slot = [](option_target c) -> option_slot { return &c.node.compute.function_max; }},
    {.key = "compute.tenant_max",
     .unit = "calls",
     .max = 1'024,
     .help = "Calls of one tenant, such as a workflow, at a time. 0: as many as there are threads.",
     .slot = [](option_target c) -> option_slot { return &c.node.compute.tenant_max; }},
    {.key = "compute.poison_after",
     .unit = "failures",
     .max = 1'000'000,
     .help = "Failures in a row of a function with the same input, after which that input is set "
             "aside (`gemel compute poisoned`). 0: never.",
     .slot = [](option_target c) -> option_slot { return &c.node.compute.poison_after; }},
    {.key = "compute.labels",
     .unit = R"(such as ["edge", "gpu"])",
     .help = "What this node is, for calls that ask for nodes of a kind.",
     .slot = [](option_target c) -> option_slot { return &c.node.compute.labels; },
     .check = check_label},
    {.key = "compute.scale_hook",
     .unit = "a program, or empty",
     .help = "Run when the number of threads changes, and when the most are not enough; "
             "GEMEL_SCALE, GEMEL_SCALE_FROM, GEMEL_SCALE_TO and GEMEL_SCALE_REASON tell it what.",
     .slot = [](option_target c) -> option_slot { return &c.node.compute.scale_hook; },
     .check = check_path_or_none},
    {.key = "compute.lua_memory",
     .unit = "bytes",
     .min = 65'536,
     .max = std::uint64_t{1} << 36,
     .help = "Memory of one call of a Lua function.",
     .slot = [](option_target c) -> option_slot { return &c.node.compute.lua_memory_bytes; }},
    {.key = "compute.lua_instructions",
     .unit = "instructions",
     .min = 10'000,
     .max = std::numeric_limits<std::int64_t>::max(),
     .help = "Instructions of one call of a Lua function; a billion take some ten seconds.",
     .slot = [](option_target c) -> option_slot { return &c.node.compute.lua_instructions; }},

    {.key = "cluster.name",
     .unit = "1 to 256 bytes without '/'",
     .help = "Only nodes of one cluster are linked.",
     .slot = [](option_target c) -> option_slot { return &c.node.cluster.name; },
     .check = check_id},
    {.key = "cluster.key_file",
     .unit = "a file, or empty",
     .help = "The key that all nodes of the cluster have, at least 16 bytes: nodes show each other "
             "that they have it, and never send it. `openssl rand -hex 32` makes one. A node that "
             "has it can be linked with `gemel link add`, too.",
     .slot = [](option_target c) -> option_slot { return &c.node.cluster.key_file; },
     .check = check_path_or_none},
    {.key = "cluster.peers",
     .unit = R"(such as ["cloud=10.0.0.7:7434", "edge-2"])",
     .help = "The nodes that this one is linked to: node.id of each and where it is reached; "
             "without an address it is waited for.",
     .slot = [](option_target c) -> option_slot { return &c.node.cluster.peers; },
     .check = check_peer},
    {.key = "cluster.listen_address",
     .unit = "an address or host name, or empty",
     .help = "Where peers call. Empty: they cannot, this node calls them. Any but a loopback "
             "address also needs certificates, or insecure.",
     .slot = [](option_target c) -> option_slot { return &c.node.cluster.listen_address; },
     .check = check_address_or_none},
    {.key = "cluster.listen_port",
     .max = 65'535,
     .help = "0: any that is free; the log says which.",
     .slot = [](option_target c) -> option_slot { return &c.node.cluster.listen_port; }},
    {.key = "cluster.certificate",
     .unit = "a PEM file, or empty",
     .help = "This node's certificate; its DNS name or common name must be node.id. With it, links "
             "are encrypted and both sides show certificates.",
     .slot = [](option_target c) -> option_slot { return &c.node.cluster.certificate; },
     .check = check_path_or_none},
    {.key = "cluster.private_key",
     .unit = "a PEM file, or empty",
     .help = "The key of the certificate, without a password.",
     .slot = [](option_target c) -> option_slot { return &c.node.cluster.private_key; },
     .check = check_path_or_none},
    {.key = "cluster.authority",
     .unit = "a PEM file, or empty",
     .help = "The certificates that sign those of the peers.",
     .slot = [](option_target c) -> option_slot { return &c.node.cluster.authority; },
     .check = check_path_or_none},
    {.key = "cluster.insecure",
     .help = "Whether links may leave this machine without certificates. Who reads the network "
             "then reads every change, and may make some.",
     .slot = [](option_target c) -> option_slot { return &c.node.cluster.insecure; }},

    {.key = "log.level",
     .help = "What is logged, to standard error: messages of this level and of those after it.",
     .slot = [](option_target c) -> option_slot { return &c.node.log.level; },
     .choices = level_names},
};

std::string range_of(const option& about) {
  auto text = std::to_string(about.min) + " to " + std::to_string(about.max);
  return about.unit.empty() ? text : text + " " + std::string{about.unit};
}

std::string duration_range_of(const option& about) {
  auto format = [](std::uint64_t ms) {
    return format_duration(std::chrono::milliseconds{static_cast<std::int64_t>(ms)});
  };
  return format(about.min) + " to " + format(about.max);
}

std::string list_of(std::span<const std::string_view> words) {
  std::string text;
  for (auto word : words)
    text += (text.empty() ? "" : ", ") + std::string{word};
  return text;
}

std::string in_quotes(std::string_view text) {
  std::string literal;
  append_json_text(literal, text);
  return literal;
}

std::string said(const option& about, const std::string& what) {
  return "'" + display_key(about) + "' " + what;
}

complaint wrong_kind(const option& about, std::string_view wanted, const toml_value& content) {
  auto got = std::holds_alternative<bool>(content) ? (std::get<bool>(content) ? "true" : "false")
                                                   : std::string{kind_name(content)};
  return {errc::bad_value, said(about, "must be " + std::string{wanted} + ", not " + got),
          form_of(about)};
}

using verdict = std::optional<complaint>;

// ---- reading one value into its place

verdict take(const option& about, const toml_value& content, std::string* place) {
  const auto* text = std::get_if<std::string>(&content);
  if (text == nullptr)
    return wrong_kind(about, "a text", content);
  if (auto checked = about.check(*text); !checked)
    return complaint{checked.error().code,
                     said(about, "is " + in_quotes(*text) + ": " + checked.error().context),
                     form_of(about)};
  *place = *text;
  return {};
}

verdict take(const option& about, const toml_value& content, std::vector<std::string>* place) {
  const auto* texts = std::get_if<toml_texts>(&content);
  if (texts == nullptr)
    return wrong_kind(about, "a list of texts", content);
  for (const auto& text : *texts) {
    if (auto checked = about.check(text); !checked)
      return complaint{checked.error().code,
                       said(about, "has " + in_quotes(text) + ": " + checked.error().context),
                       form_of(about)};
    if (std::count(texts->begin(), texts->end(), text) > 1)
      return complaint{errc::bad_value, said(about, "has " + in_quotes(text) + " twice"),
                       "keep one of them"};
  }
  *place = *texts;
  return {};
}

verdict take(const option& about, const toml_value& content, std::optional<double>* place) {
  if (const auto* number = std::get_if<std::int64_t>(&content)) {
    *place = static_cast<double>(*number);
    return {};
  }
  const auto* number = std::get_if<double>(&content);
  if (number == nullptr || !std::isfinite(*number))
    return wrong_kind(about, "a number", content);
  *place = *number;
  return {};
}

verdict take(const option& about, const toml_value& content, bool* place) {
  const auto* flag = std::get_if<bool>(&content);
  if (flag == nullptr)
    return wrong_kind(about, "true or false", content);
  *place = *flag;
  return {};
}

bool is_within(const option& about, std::int64_t number) {
  return number >= 0 && static_cast<std::uint64_t>(number) >= about.min
         && static_cast<std::uint64_t>(number) <= about.max;
}

template <class Number>
requires(std::is_unsigned_v<Number>) verdict
    take(const option& about, const toml_value& content, Number* place) {
  const auto* number = std::get_if<std::int64_t>(&content);
  if (number == nullptr)
    return wrong_kind(about, "an integer", content);
  if (!is_within(about, *number)) {
    auto above = about.section() == "limits" && *number > 0
                 && static_cast<std::uint64_t>(*number) > about.max;
    return complaint{errc::bad_value, said(about, "is " + std::to_string(*number)),
                     range_of(about) + (above ? "; a config can lower a limit, not raise it" : "")};
  }
  *place = static_cast<Number>(*number);
  return {};
}

tl::expected<std::int64_t, complaint> read_ms(const option& about, const toml_value& content) {
  if (const auto* number = std::get_if<std::int64_t>(&content))
    return *number;
  const auto* text = std::get_if<std::string>(&content);
  if (text == nullptr)
    return tl::unexpected(wrong_kind(about, "a duration", content));
  if (auto read = parse_duration(*text))
    return read->count();
  return tl::unexpected(complaint{errc::bad_value, said(about, "is " + in_quotes(*text)),
                                  std::string{duration_form}});
}

verdict take_ms(const option& about, const toml_value& content, std::int64_t& ms) {
  auto read = read_ms(about, content);
  if (!read)
    return read.error();
  if (!is_within(about, *read))
    return complaint{errc::bad_value, said(about, "is " + std::to_string(*read) + "ms"),
                     duration_range_of(about)};
  ms = *read;
  return {};
}

verdict take(const option& about, const toml_value& content, microseconds_slot place) {
  std::int64_t ms = 0;
  if (auto refused = take_ms(about, content, ms))
    return refused;
  *place.count = ms * microseconds_per_ms;
  return {};
}

template <class Enum>
requires(std::is_enum_v<Enum>) verdict
    take(const option& about, const toml_value& content, Enum* place) {
  const auto* text = std::get_if<std::string>(&content);
  if (text == nullptr)
    return wrong_kind(about, "a text", content);
  auto found = std::find(about.choices.begin(), about.choices.end(), *text);
  if (found == about.choices.end()) {
    auto near = nearest_word(*text, about.choices);
    auto guess = near.empty() ? "" : "did you mean " + in_quotes(near) + "? ";
    return complaint{errc::bad_value, said(about, "is " + in_quotes(*text)),
                     guess + form_of(about)};
  }
  *place = static_cast<Enum>(found - about.choices.begin());
  return {};
}

// ---- writing

std::string write(const option&, const std::string* place) {
  return in_quotes(*place);
}

std::string write(const option&, const std::vector<std::string>* place) {
  std::string text;
  for (const auto& each : *place)
    text += (text.empty() ? "" : ", ") + in_quotes(each);
  return "[" + text + "]";
}

// Nothing is written for nothing: TOML has no word for it. With a point or an exponent, so that
// it is read as a decimal number and -0 stays.
std::string write(const option&, const std::optional<double>* place) {
  if (!*place)
    return {};
  std::array<char, 32> buffer;
  auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), **place).ptr;
  std::string text{buffer.data(), end};
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string write(const option&, const bool* place) {
  return *place ? "true" : "false";
}

template <class Number>
requires(std::is_unsigned_v<Number>) std::string write(const option&, const Number* place) {
  return std::to_string(*place);
}

std::string write(const option&, microseconds_slot place) {
  return in_quotes(format_duration(std::chrono::milliseconds{*place.count / microseconds_per_ms}));
}

template <class Enum>
requires(std::is_enum_v<Enum>) std::string write(const option& about, const Enum* place) {
  return in_quotes(about.choices[static_cast<std::size_t>(*place)]);
}

// ---- forms

std::string form(const option& about, const std::string*) {
  return "text, " + std::string{about.unit};
}

std::string form(const option& about, const std::vector<std::string>*) {
  return "list of texts, " + std::string{about.unit};
}

std::string form(const option&, const std::optional<double>*) {
  return "number";
}

std::string form(const option&, const bool*) {
  return "true or false";
}

template <class Number>
requires(std::is_unsigned_v<Number>) std::string form(const option& about, const Number*) {
  return "integer, " + range_of(about);
}

std::string form(const option& about, microseconds_slot) {
  return "duration, " + duration_range_of(about);
}

template <class Enum>
requires(std::is_enum_v<Enum>) std::string form(const option& about, const Enum*) {
  return "one of " + list_of(about.choices);
}

} // namespace

std::span<const option> options() noexcept {
  return table;
}

const option* find_option(std::string_view section, std::string_view name) noexcept {
  for (const auto& each : table)
    if (each.section() == section && each.name() == name)
      return &each;
  return nullptr;
}

std::vector<std::string_view> section_names() {
  std::vector<std::string_view> names;
  for (const auto& each : table)
    if (names.empty() || names.back() != each.section())
      names.push_back(each.section());
  std::erase(names, "properties"); // stands inside of a type
  return names;
}

std::string_view section_help(std::string_view section) noexcept {
  if (section == "node")
    return "What the node is.";
  if (section == "listen")
    return "Where other programs reach it.";
  if (section == "limits")
    return "Bounds. The defaults are the most that is allowed: a config can lower them, not raise "
           "them.";
  if (section == "supervision")
    return "How children are restarted, in the words of Erlang/OTP.";
  if (section == "types")
    return "What the twins of one type are: [types.NAME], and for each of their properties "
           "[types.NAME.properties.KEY]. The keys of [supervision] may stand here too, for the "
           "children of parents of this type; what is left out is as there.";
  if (section == "store")
    return "What outlives the node: twins, in a log and snapshots.";
  if (section == "history")
    return "How long the values of properties with `history = true` are kept.";
  if (section == "export")
    return "Sends the values of properties with `history = true` to a time-series database.";
  if (section == "sync")
    return "What is kept the same on all nodes that are linked.";
  if (section == "lane")
    return "How events are collected on their way from twins to subscribers.";
  if (section == "rules")
    return "What the node looks for in the events of its twins.";
  if (section == "workflows")
    return "Workflows, and where their documents, functions and runs are.";
  if (section == "compute")
    return "The threads that call functions of workflows.";
  if (section == "cluster")
    return "The nodes that this one is linked to, and how they know each other.";
  if (section == "log")
    return "What it tells about itself.";
  return {};
}

std::string form_of(const option& about) {
  option_values any;
  return std::visit([&](auto place) { return form(about, place); }, about.slot(any.target()));
}

std::string literal_of(const option& about, option_target values) {
  return std::visit([&](auto place) { return write(about, place); }, about.slot(values));
}

std::string default_of(const option& about) {
  option_values defaults;
  return literal_of(about, defaults.target());
}

std::string display_key(const option& about) {
  std::string key{about.key};
  if (about.section() == "types")
    return "types.<type>." + std::string{about.name()};
  if (about.section() == "properties")
    return "types.<type>.properties.<key>." + std::string{about.name()};
  return key;
}

std::optional<complaint> assign(const option& about, const toml_value& content,
                                option_target target) {
  return std::visit([&](auto place) { return take(about, content, place); }, about.slot(target));
}

bool is_loopback(std::string_view address) noexcept {
  if (address == "localhost" || address == "::1")
    return true;
  auto parts = ipv4_of(address);
  return parts && (*parts)[0] == 127;
}

} // namespace gemel::detail

namespace gemel {

std::string_view to_string(log_level level) noexcept {
  auto index = static_cast<std::size_t>(level);
  return index < std::size(detail::level_names) ? detail::level_names[index] : "unknown";
}

} // namespace gemel
