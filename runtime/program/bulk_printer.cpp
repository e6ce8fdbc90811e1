#include "runtime/program/bulk_printer.hpp"

#include "runtime/adapters/file_stream.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/units.hpp"

#include <algorithm>
#include <array>

namespace gemel {

namespace {

// What was done, by action.
constexpr std::array<const char*, 4> done_words{"created", "updated", "deleted", "emitted"};
constexpr std::array<const char*, 4> plain_words{"create", "update", "delete", "emit"};

const char* word_of(const std::array<const char*, 4>& words, bulk_action action) {
  return words[static_cast<std::size_t>(action)];
}

std::string outcome_json(const bulk_outcome& what, const char* applied) {
  json_object made;
  made.add("item", what.where.item);
  if (what.where.line > 0)
    made.add("line", what.where.line);
  if (!what.id.empty())
    made.add("id", value{what.id});
  made.add("outcome", value{what.status == bulk_status::applied   ? applied
                            : what.status == bulk_status::present ? "present"
                            : what.status == bulk_status::absent  ? "absent"
                                                                  : "failed"});
  if (what.status == bulk_status::failed)
    made.add("code", value{to_string(what.why.code)}).add("message", value{what.why.context});
  return made.text() + "\n";
}

} // namespace

bulk_printer::bulk_printer(const program_context& context, bulk_action action, std::string file,
                           std::uint64_t size, bool is_dry)
    : context_{context}, action_{action}, file_{std::move(file)}, size_{size}, is_dry_{is_dry} {
}

bulk_printer::~bulk_printer() = default;

void bulk_printer::outcomes_to(output_file file) {
  outcomes_ = std::make_unique<output_file>(std::move(file));
}

void bulk_printer::clear_line() const {
  if (context_.console.err_is_terminal())
    context_.console.err("\r\x1b[K");
}

void bulk_printer::print(fault found) {
  ++faults_;
  if (!context_.json && faults_ <= faults_max) {
    clear_line();
    context_.console.err(printable(to_string(found)) + '\n');
  }
  add_fault(kept_, std::move(found));
}

void bulk_printer::take(const bulk_outcome& what) {
  if (outcomes_ && !outcomes_failed_) {
    const auto* applied = is_dry_ ? word_of(plain_words, action_) : word_of(done_words, action_);
    if (auto written = outcomes_->write(outcome_json(what, applied)); !written)
      outcomes_failed_ = std::move(written.error());
  }
  if (what.status != bulk_status::failed || what.is_unread)
    return; // of what could not be read `take_bad` tells more
  auto message = std::string{to_string(what.why.code)} + ": " + what.why.context;
  print({.code = what.why.code,
         .file = file_,
         .line = what.where.line,
         .column = what.where.column,
         .message = std::move(message)});
}

void bulk_printer::take_bad(const bulk_entry& entry) {
  for (const auto& one : entry.faults)
    print(one);
}

void bulk_printer::take_lost(const error& why) {
  clear_line();
  if (!context_.json)
    context_.console.err("gemel: " + printable(to_string(why)) + "; trying again\n");
}

void bulk_printer::take_progress(const bulk_state& state, std::int64_t now_ns) {
  if (!context_.console.err_is_terminal())
    return;
  if (began_ns_ == 0)
    began_ns_ = now_ns;
  const auto& totals = state.totals;
  auto done = totals.applied + totals.present + totals.absent + totals.failed;
  auto seconds = static_cast<double>(now_ns - began_ns_) / 1e9;
  auto line = grouped(done) + " items";
  if (seconds > 0)
    line += ", " + grouped(static_cast<std::uint64_t>(static_cast<double>(done) / seconds)) + "/s";
  if (totals.failed > 0)
    line += ", " + grouped(totals.failed) + " failed";
  if (size_ > 0)
    line += ", " + std::to_string(std::min<std::uint64_t>(state.last_read.end * 100 / size_, 100))
            + "%";
  context_.console.err("\r\x1b[K" + line);
}

std::string bulk_printer::done_word() const {
  return is_dry_ ? std::string{"would "} + word_of(plain_words, action_)
                 : word_of(done_words, action_);
}

std::string bulk_printer::summary(const bulk_report& report, std::uint64_t done_before) const {
  const auto& totals = report.state.totals;
  bool is_event = action_ == bulk_action::emit;
  auto made = done_word() + ' ' + grouped(totals.applied) + (is_event ? " event" : " twin")
              + (totals.applied == 1 ? "" : "s");
  if (totals.present > 0)
    made += ", " + grouped(totals.present) + " there already";
  if (totals.absent > 0)
    made += ", " + grouped(totals.absent) + " gone already";
  if (totals.failed > 0)
    made += ", " + grouped(totals.failed) + " failed";
  if (done_before > 0)
    made += ", " + grouped(done_before) + " items done before";
  return made + (report.is_complete ? "" : "; not complete") + "\n";
}

std::string bulk_printer::summary_json(const bulk_report& report, std::uint64_t done_before) const {
  const auto& totals = report.state.totals;
  json_object made;
  made.add(is_dry_ ? word_of(plain_words, action_) : word_of(done_words, action_), totals.applied)
      .add("present", totals.present)
      .add("absent", totals.absent)
      .add("failed", totals.failed)
      .add("repeated", totals.repeated)
      .add("done_before", done_before)
      .add("dry_run", value{is_dry_})
      .add("complete", value{report.is_complete});
  return made.add_json("faults", faults_json(kept_)).text() + "\n";
}

int bulk_printer::finish(const bulk_report& report, std::uint64_t done_before,
                         bool is_interrupted) {
  clear_line();
  if (!context_.json && faults_ > faults_max)
    context_.console.err("gemel: and " + grouped(faults_ - faults_max)
                         + " more; --outcomes FILE keeps all\n");
  context_.console.out(context_.json ? summary_json(report, done_before)
                                     : summary(report, done_before));
  if (outcomes_ && !outcomes_failed_)
    if (auto written = outcomes_->flush(); !written)
      outcomes_failed_ = std::move(written.error());
  if (outcomes_failed_)
    return std::max(exit_failed, refuse(context_, *outcomes_failed_));
  if (report.broken)
    return std::max(exit_failed, refuse(context_, *report.broken));
  if (is_interrupted)
    return exit_signal + 2;
  return report.state.totals.failed > 0 ? exit_usage : exit_ok;
}

} // namespace gemel
