#pragma once

#include "actors/compute_job.hpp"
#include "actors/ports.hpp"
#include "messages/records.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// On which node each call of a function runs, what this node asks its peers to run, and what they
/// ask of it. A core without threads and clock, one thread's; peers are numbered from 0.
///
/// A call runs here, where its twin's data are, unless its labels forbid it or other nodes have
/// less to do; of two peers drawn at random the less loaded one is asked (power of two choices).
/// The way to a peer may lose, repeat, delay and reorder messages. Each asking has a number, which
/// is never used twice; the peer runs it once and keeps the answer until it is told that it was
/// taken. If the peer is gone (silent, started anew, or does not hear us), its calls are placed
/// again under new numbers, and an answer to an old number is not taken: each call has exactly one
/// answer. A node that may be taken for gone stops what it does for others.
class compute_fabric {
public:
  /// Name of the service in messages between nodes.
  static constexpr std::string_view service = "compute.peer";

  struct options {
    std::vector<std::string> labels{};
    /// Grows with each start of the node, such as the time of it; not 0.
    std::uint64_t incarnation = 1;
    std::int64_t announce_ms = 250;
    /// What has no answer is sent again after it.
    std::int64_t resend_ms = 1'000;
    /// A peer silent for so long is gone.
    std::int64_t gone_ms = 3'000;
    /// What no node may run now waits so long for one.
    std::int64_t park_ms = 10'000;
    /// A call under which so many nodes were lost is given up.
    std::uint32_t nodes_lost_max = 3;
    /// Calls that one peer may have under way for us; it takes twice as many.
    std::size_t asks_max = 4'096;
    /// Calls that wait for a node.
    std::size_t parked_max = 10'000;
    /// Bytes of values that are sent along with a call.
    std::size_t input_bytes_max = std::size_t{8} << 20;
  };
  struct load {
    std::size_t workers = 1;
    /// Calls that run or wait.
    std::size_t calls = 0;
  };
  struct ports {
    /// Sends a message, which may be lost.
    std::function<void(std::uint32_t peer, service_call message)> send{};
    /// Has a call made on this node.
    std::function<void(compute_job)> run_here{};
    /// Runs something later on the fabric's thread; called by any thread.
    std::function<void(std::function<void()>)> post{};
    std::function<load()> load_here{};
    /// A function of this node; null: there is none of the name.
    std::function<std::shared_ptr<const function_info>(std::string_view name)> function{};
    std::function<std::uint64_t()> random{};
    std::function<moment()> now{};
  };
  struct counts {
    std::uint64_t sent = 0;
    std::uint64_t taken = 0;
    /// Placed again, since a node was lost.
    std::uint64_t moved = 0;
    /// Run for peers.
    std::uint64_t served = 0;
  };
  /// What is known of a peer.
  struct peer_view {
    bool is_there = false;
    std::vector<std::string> labels{};
    load last{};
    /// Calls that it has under way for us, and we for it.
    std::size_t asked = 0;
    std::size_t serving = 0;
  };

  compute_fabric(options bounds, ports world, std::size_t peers);
  ~compute_fabric();
  compute_fabric(const compute_fabric&) = delete;
  compute_fabric& operator=(const compute_fabric&) = delete;

  /// Answered once, by any thread.
  void submit(compute_job job);

  /// What is no message of ours is left out.
  void receive(std::uint32_t peer, const service_call& message);

  /// To be called some times a second.
  void tick();

  /// The node is stopping: answers all that has no answer.
  void stop();

  const counts& totals() const noexcept { return counts_; }
  peer_view peer(std::uint32_t number) const;
  std::size_t parked() const noexcept { return parked_.size(); }
  const std::vector<std::string>& labels() const noexcept { return bounds_.labels; }

private:
  static constexpr std::uint32_t here = 0xffff'ffff;

  // One of our calls, wherever it is.
  struct call {
    compute_job job;
    std::uint32_t lost = 0;
    std::set<std::uint32_t> refused_by{};
    // Of those that a peer has.
    std::uint32_t peer = 0;
    std::int64_t sent_ms = 0;
    bool was_got = false;
    // Of those that are parked.
    std::int64_t since_ms = 0;
  };
  // What a peer asked of us.
  struct served {
    stop_flag stop{};
    std::int64_t sent_ms = 0;
    bool is_dropped = false;
    // Kept until the peer has taken it.
    std::optional<result<value>> answer{};
  };
  struct peer_state {
    std::uint64_t incarnation = 0;
    std::optional<std::int64_t> heard_ms{};
    bool hears_us = false;
    std::vector<std::string> labels{};
    load last{};
    // Asked since it told its load.
    std::size_t asked_since = 0;
    std::size_t asked = 0;
    std::map<std::uint64_t, served> serving{};
    // Numbers that were answered and taken; none below `floor`.
    std::set<std::uint64_t> done{};
    // It sends nothing below it again.
    std::uint64_t floor = 0;
  };

  std::int64_t now_ms() const;
  bool is_there(const peer_state& of) const;
  void place(call one);
  std::uint32_t choose(const call& one) const;
  std::vector<std::uint32_t> candidates(const call& one) const;
  double load_of(std::uint32_t node) const;
  void park(call one);
  void ask(call one, std::uint32_t peer);
  void send_ask(std::uint64_t number, call& one);
  void move_from(std::uint32_t peer);
  void move(call one);
  bool give_up_unwanted(const call& one, bool may_tell, std::uint64_t number);
  void announce();
  value_map head(std::uint32_t peer) const;
  void tell(std::uint32_t peer, const char* what, std::uint64_t number);
  void hear_announce(std::uint32_t peer, const value& from);
  void hear_ask(std::uint32_t peer, std::uint64_t number, const value& from);
  void hear_answer(std::uint32_t peer, std::uint64_t number, const value& from);
  bool is_of_now(std::uint32_t peer, const value& from, bool is_announce);
  void begin_anew(std::uint32_t peer, std::uint64_t incarnation);
  void run_for(std::uint32_t peer, std::uint64_t number, const value& from);
  void ended(std::uint32_t peer, std::uint64_t incarnation, std::uint64_t number,
             result<value> answer);
  void send_answer(std::uint32_t peer, std::uint64_t number, served& of);
  void look_at_calls();
  void look_at_parked();
  void look_at_served();
  void raise_floor(peer_state& of, const value& from);

  options bounds_;
  ports world_;
  std::vector<peer_state> peers_;
  std::map<std::uint64_t, call> calls_; // that peers have
  std::deque<call> parked_;             // oldest first
  std::uint64_t numbers_ = 0;
  std::int64_t announced_ms_ = 0;
  bool is_stopping_ = false;
  counts counts_;
  std::shared_ptr<bool> alive_;
};

} // namespace gemel
