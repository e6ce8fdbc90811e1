#pragma once

#include "messages/frame.hpp"
#include "messages/records.hpp"

#include <span>
#include <string>

/// Builds and reads the frames that answer requests. The readers take checked frames.
namespace gemel {

frame make_error_reply(const error& why);
frame make_outcome_reply(const outcome& what);
frame make_page_reply(const twin_page& page);
frame make_subscribed_reply(std::uint64_t subscription);
frame make_done_reply();
frame make_result_reply(const value& content);
frame make_types_reply(std::span<const type_record> types);
frame make_stats_reply(const stats_record& stats);
frame make_welcome_reply(std::string_view node, std::string_view program);

/// Events without events: only how many were left out. @param next the number of the next event, of
/// a subscription that can be resumed; else 0.
frame make_gap_notice(std::uint64_t subscription, std::uint64_t missed, std::uint64_t next);

/// The frame of events without its first `skip` events, of which it must have more.
frame make_events_tail(const frame& events, std::uint32_t skip);

error read_error(wire::Error::Reader what);
outcome read_outcome(wire::Outcome::Reader what);
twin_page read_page(wire::Page::Reader what);
std::vector<type_record> read_types(capnp::List<wire::TypeInfo>::Reader list);
stats_record read_stats(wire::Stats::Reader what);

/// Reads event `index` of `batch` as a plain value.
twin_event read_event(wire::EventBatch::Reader batch, unsigned index);

/// The reply that `answer` must be, or the error it holds instead.
/// @returns the error inside; errc::bad_frame if it is another kind of message.
result<outcome> expect_outcome(const frame& answer);
result<twin_page> expect_page(const frame& answer);
result<std::uint64_t> expect_subscribed(const frame& answer);
result<void> expect_done(const frame& answer);
result<value> expect_result(const frame& answer);
result<std::vector<type_record>> expect_types(const frame& answer);
result<stats_record> expect_stats(const frame& answer);

} // namespace gemel
