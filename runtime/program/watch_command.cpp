#include "runtime/adapters/signals.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/twin_text.hpp"

#include <CLI/CLI.hpp>

#include <atomic>

namespace gemel {

namespace {

struct watch_arguments {
  subscription_request asked;
  std::uint64_t count = 0; // 0: until it is stopped
};

// Prints events; called from one thread at a time while the main thread waits for `signals`.
class event_printer {
public:
  event_printer(const program_context& context, std::uint64_t count, stop_signals& signals)
      : context_{context}, left_{count}, is_bounded_{count != 0}, signals_{signals} {}

  void print(const event_batch& events) {
    if (is_done_)
      return;
    if (events.missed() > 0)
      print_missed(events.missed());
    for (unsigned i = 0; i < events.size() && !is_done_; ++i)
      print(events[i].record());
    // A pipe's reader wants them now.
    bool is_written = context_.console.flush().has_value();
    if (is_done_ || !is_written) {
      is_done_ = true;
      signals_.wake();
    }
  }

  void lost() {
    is_lost_ = true;
    signals_.wake();
  }
  bool is_done() const noexcept { return is_done_; }
  bool is_lost() const noexcept { return is_lost_; }

private:
  void print(const twin_event& event) {
    context_.console.out(context_.json ? event_json(event) + "\n" : event_text(event));
    is_done_ = is_bounded_ && --left_ == 0;
  }

  void print_missed(std::uint64_t missed) {
    context_.console.out(context_.json ? json_object{}.add("missed", missed).text() + "\n"
                                       : missed_text(missed));
  }

  const program_context& context_;
  std::uint64_t left_;
  bool is_bounded_;
  stop_signals& signals_;
  std::atomic<bool> is_done_{false};
  std::atomic<bool> is_lost_{false};
};

// Waits until enough events came, the link is lost, or a signal; returns the exit code.
int wait_for_end(const program_context& context, const event_printer& printer,
                 stop_signals& signals) {
  for (;;) {
    auto signal = signals.wait();
    if (signal)
      return exit_signal + *signal;
    if (printer.is_done())
      return exit_ok;
    if (printer.is_lost())
      return refuse(context, {errc::unreachable, "the link to the node broke"});
  }
}

int run_watch(const program_context& context, const watch_arguments& what) {
  stop_signals signals; // before the link's threads
  // Shared: a last event may come while the link is taken down.
  auto printer = std::make_shared<event_printer>(context, what.count, signals);
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  (*link)->on_lost([printer] { printer->lost(); });
  auto watched = (*link)->subscribe(
      what.asked, [printer](const event_batch& events) { printer->print(events); });
  if (!watched)
    return refuse(context, watched.error(),
                  std::vector<asked_expression>{{"where", what.asked.where}});
  context.console.err("watching node " + (*link)->node_id() + "; Ctrl-C ends\n");
  auto code = wait_for_end(context, *printer, signals);
  signals.exit_at_next();
  link->reset(); // no event comes after this
  return code;
}

} // namespace

void add_watch_command(CLI::App& twin, program_context& context) {
  auto what = std::make_shared<watch_arguments>();
  auto* command = twin.add_subcommand("watch", "Print what happens to twins, as it happens");
  command->add_option("ID", what->asked.ids, "Only these twins")->type_name("");
  command->add_option("--type", what->asked.type, "Only twins of this type")->type_name("TYPE");
  command->add_option("--parent", what->asked.parent, "Only children of this twin")
      ->type_name("ID");
  command->add_option("--where", what->asked.where, "Only while this holds for the new state")
      ->type_name("EXPR");
  command->add_option("--count", what->count, "End after so many events")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel twin watch press-7\n"
                  "  gemel twin watch --type machine --where \"temperature > 85\"\n"
                  "  gemel twin watch --parent hall-3 --json --count 10");
  command->callback([&context, what] {
    context.action = [&context, what] { return run_watch(context, *what); };
  });
}

} // namespace gemel
