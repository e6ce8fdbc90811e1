#include "runtime/adapters/peer_links.hpp"

#include "runtime/adapters/machine.hpp"
#include "runtime/adapters/peer_connection.hpp"
#include "runtime/adapters/task_thread.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace gemel {

namespace {

constexpr std::size_t unsent_bytes_max = 256u << 10;

std::string address_text(const std::string& host, std::uint16_t port) {
  auto is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

// Wakes a thread that waits in `poll`.
class wake_pipe {
public:
  wake_pipe() { GEMEL_CHECK(pipe2(ends_, O_NONBLOCK | O_CLOEXEC) == 0); }
  ~wake_pipe() { ::close(ends_[0]), ::close(ends_[1]); }
  wake_pipe(const wake_pipe&) = delete;
  wake_pipe& operator=(const wake_pipe&) = delete;

  int number() const noexcept { return ends_[0]; }
  void wake() noexcept {
    if (!is_awake_.exchange(true))
      static_cast<void>(!::write(ends_[1], "", 1));
  }
  void clear() noexcept {
    char bytes[64];
    while (::read(ends_[0], bytes, sizeof bytes) > 0) {
    }
    is_awake_.store(false);
  }

private:
  int ends_[2] = {-1, -1};
  std::atomic<bool> is_awake_{false};
};

} // namespace

class peer_links::engine {
public:
  engine(options wanted, const clock_port& clock)
      : options_{std::move(wanted)}, clock_{clock}, names_{clock} {
    for (std::uint32_t i = 0; i < options_.peers.size(); ++i)
      add(i, options_.peers[i]);
  }
  ~engine() { stop(); }
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;

  result<void> start(listener to);
  void stop();
  std::uint16_t port() const noexcept { return port_; }
  std::string endpoint() const;
  void add(std::uint32_t number, const peer_address& peer);
  void remove(std::uint32_t peer);
  void reach(std::uint32_t peer);
  void send(std::uint32_t peer, frame message);
  peer_way way(std::uint32_t peer) const;
  std::uint64_t strangers_refused() const { return strangers_refused_.load(); }

private:
  struct waiting_way {
    peer_way shown{};
    std::deque<frame> frames{};
    std::size_t bytes = 0;
  };
  using connections = std::list<peer_connection>;

  void run();
  void turn();
  std::optional<std::uint32_t> number_of(std::string_view node) const;
  tl::expected<void, peer_refusal> admit(std::string_view node, std::uint64_t life) const;
  void look_up(std::uint32_t peer);
  void found(std::uint32_t peer, result<std::vector<socket_address>> addresses);
  void serve(std::uint32_t peer);
  void failed(std::uint32_t peer, const error& why);
  void accept();
  void attend(peer_connection& one, short events);
  void opened(peer_connection& one);
  void ended(peer_connection& one);
  void pump(std::uint32_t peer);
  void count(peer_connection& one, std::uint32_t peer);
  void post(std::function<void()> task);

  options options_;
  listener events_;
  const clock_port& clock_;
  peer_connection::terms terms_;
  peer_socket listener_;
  std::uint16_t port_ = 0;
  wake_pipe wake_;
  task_thread names_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> strangers_refused_{0};
  mutable std::mutex mutex_;
  std::vector<waiting_way> ways_;           // with the mutex
  std::deque<std::function<void()>> tasks_; // with the mutex
  // The rest is the thread's.
  connections all_;
  struct known_peer {
    std::optional<peer_address> at{}; // nothing: removed
    peer_connection* current = nullptr;
    bool is_trying = false;
  };
  std::vector<known_peer> peers_;
  std::int64_t no_accept_before_ = 0;
  std::thread thread_;
};

// ---- any thread -------------------------------------------------------------------------------

void peer_links::engine::stop() {
  stopping_.store(true);
  wake_.wake();
  if (thread_.joinable())
    thread_.join();
  names_.stop();
  all_.clear();
  listener_ = {};
}

result<void> peer_links::engine::start(listener to) {
  events_ = std::move(to);
  if (!options_.tls.empty()) {
    auto loaded = tls_identity::load(options_.tls);
    if (!loaded)
      return tl::unexpected{loaded.error()};
    terms_.tls = std::move(*loaded);
  }
  if (!options_.listen_address.empty()) {
    auto made = peer_socket::listen(options_.listen_address, options_.listen_port);
    if (!made)
      return tl::unexpected{made.error()};
    listener_ = std::move(*made);
    port_ = listener_.port();
  }
  terms_.cluster = options_.cluster;
  terms_.node = options_.node;
  terms_.key = options_.key;
  terms_.life = system_entropy();
  terms_.frame_bytes_max = options_.frame_bytes_max;
  terms_.random = system_entropy;
  terms_.admit = [this](std::string_view node, std::uint64_t life) { return admit(node, life); };
  names_.start({[] { return std::nullopt; }, [] {}});
  thread_ = std::thread{[this] { run(); }};
  return {};
}

void peer_links::engine::post(std::function<void()> task) {
  {
    std::lock_guard guard{mutex_};
    tasks_.push_back(std::move(task));
  }
  wake_.wake();
}

// What is asked of a peer right after this stands behind it in the thread's queue.
void peer_links::engine::add(std::uint32_t number, const peer_address& peer) {
  {
    std::lock_guard guard{mutex_};
    GEMEL_CHECK(number == ways_.size());
    ways_.emplace_back();
    if (!peer.host.empty())
      ways_.back().shown.address = address_text(peer.host, peer.port);
  }
  post([this, peer] {
    peers_.emplace_back();
    peers_.back().at = peer;
  });
}

void peer_links::engine::remove(std::uint32_t peer) {
  {
    std::lock_guard guard{mutex_};
    auto& way = ways_.at(peer);
    way.shown.open = false;
    way.frames.clear();
    way.bytes = 0;
  }
  post([this, peer] {
    auto node = peers_[peer].at->node;
    peers_[peer] = {};
    for (auto& one : all_)
      if (one.peer() == node && !one.over())
        one.close();
  });
}

void peer_links::engine::reach(std::uint32_t peer) {
  post([this, peer] { serve(peer); });
}

void peer_links::engine::send(std::uint32_t peer, frame message) {
  {
    std::lock_guard guard{mutex_};
    auto& way = ways_.at(peer);
    if (!way.shown.open || way.bytes + message.size() > options_.waiting_bytes_max
        || message.size() > options_.frame_bytes_max) {
      ++way.shown.dropped;
      return;
    }
    way.bytes += message.size();
    way.frames.push_back(std::move(message));
  }
  wake_.wake();
}

std::string peer_links::engine::endpoint() const {
  return port_ == 0 ? std::string{} : address_text(options_.listen_address, port_);
}

peer_way peer_links::engine::way(std::uint32_t peer) const {
  std::lock_guard guard{mutex_};
  return ways_.at(peer).shown;
}

// ---- calling ----------------------------------------------------------------------------------

void peer_links::engine::serve(std::uint32_t peer) {
  if (!peers_[peer].at || peers_[peer].is_trying)
    return;
  if (auto* old = peers_[peer].current; old != nullptr) {
    if (clock_.now().steady_ns - old->opened_ns() < options_.fresh_ns)
      return;
    peers_[peer].current = nullptr;
    old->close();
    failed(peer, {errc::unreachable, "the peer was silent"});
  }
  if (peers_[peer].at->host.empty())
    return failed(peer, {errc::unreachable, "it has not called yet"});
  peers_[peer].is_trying = true;
  look_up(peer);
}

void peer_links::engine::look_up(std::uint32_t peer) {
  auto where = *peers_[peer].at;
  if (auto numbers = resolve_host(where.host, where.port, true))
    return found(peer, std::move(*numbers));
  names_.post([this, peer, where] { // Names may take long.
    post([this, peer, addresses = resolve_host(where.host, where.port, false)]() mutable {
      found(peer, std::move(addresses));
    });
  });
}

void peer_links::engine::found(std::uint32_t peer, result<std::vector<socket_address>> addresses) {
  if (!peers_[peer].at)
    return;
  if (addresses) {
    all_.emplace_back(terms_, std::move(*addresses), peers_[peer].at->node, clock_.now());
    return;
  }
  peers_[peer].is_trying = false;
  failed(peer, addresses.error());
}

// There is no way, unless there is another one.
void peer_links::engine::failed(std::uint32_t peer, const error& why) {
  if (peers_[peer].current != nullptr)
    return;
  {
    std::lock_guard guard{mutex_};
    auto& way = ways_[peer];
    way.shown.open = false;
    way.shown.trouble = why.context.empty() ? std::string{to_string(why.code)} : why.context;
    way.shown.dropped += way.frames.size();
    way.frames.clear();
    way.bytes = 0;
  }
  events_.disconnected(peer, why);
}

// ---- being called -----------------------------------------------------------------------------

std::optional<std::uint32_t> peer_links::engine::number_of(std::string_view node) const {
  for (std::uint32_t i = 0; i < peers_.size(); ++i)
    if (peers_[i].at && peers_[i].at->node == node)
      return i;
  return std::nullopt;
}

tl::expected<void, peer_refusal> peer_links::engine::admit(std::string_view node,
                                                           std::uint64_t life) const {
  auto peer = number_of(node);
  if (!peer)
    return tl::unexpected{peer_refusal::unknown_node};
  const auto* old = peers_[*peer].current;
  if (old == nullptr || old->over()
      || new_way_stays(false, old->calls(), life == old->peer_life(), options_.node, node))
    return {};
  return tl::unexpected{peer_refusal::duplicate};
}

void peer_links::engine::accept() {
  constexpr std::int64_t pause_ns = 100'000'000;
  auto now = clock_.now();
  auto caller = listener_.accept();
  if (!caller.open()) { // Perhaps no descriptor is left: not at once again.
    no_accept_before_ = now.steady_ns + pause_ns;
    return;
  }
  auto strangers = std::count_if(all_.begin(), all_.end(), [](const peer_connection& one) {
    return one.at() != peer_connection::stage::open;
  });
  if (static_cast<std::size_t>(strangers) < options_.strangers_max)
    all_.emplace_back(terms_, std::move(caller), now);
  else
    ++strangers_refused_;
}

// ---- connections ------------------------------------------------------------------------------

void peer_links::engine::attend(peer_connection& one, short events) {
  auto now = clock_.now();
  auto was_open = one.at() == peer_connection::stage::open;
  auto is_ours = [&] {
    auto peer = number_of(one.peer());
    return peer && peers_[*peer].current == &one ? peer : std::nullopt;
  };
  // A frame behind the last word of the handshake belongs to the way that it opens.
  auto take = [&](frame arrived) {
    if (!std::exchange(was_open, true))
      opened(one);
    if (auto peer = is_ours())
      events_.arrived(*peer, std::move(arrived));
  };
  if ((events & (POLLOUT | POLLERR)) != 0 && !one.over())
    one.writable(now);
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && one.at() != peer_connection::stage::connecting
      && one.at() != peer_connection::stage::closed)
    one.readable(now, take);
  one.tick(now);
  if (!was_open && one.at() == peer_connection::stage::open)
    opened(one);
}

void peer_links::engine::opened(peer_connection& one) {
  auto named = number_of(one.peer());
  if (!named)
    return one.close();
  auto peer = *named;
  if (one.calls())
    peers_[peer].is_trying = false;
  if (auto* old = std::exchange(peers_[peer].current, &one); old != nullptr && !old->over()) {
    auto stays = new_way_stays(one.calls(), old->calls(), one.peer_life() == old->peer_life(),
                               options_.node, one.peer());
    (stays ? old : &one)->close();
    peers_[peer].current = stays ? &one : old;
    if (!stays)
      return;
  }
  {
    std::lock_guard guard{mutex_};
    auto& way = ways_[peer];
    way.shown.open = true;
    way.shown.ours = one.calls();
    way.shown.encrypted = one.encrypted();
    way.shown.trouble.clear();
    ++way.shown.opened;
    way.shown.dropped += way.frames.size(); // Of a way that is gone.
    way.frames.clear();
    way.bytes = 0;
  }
  events_.connected(peer);
}

// Told once, when nothing more is to be expected of it.
void peer_links::engine::ended(peer_connection& one) {
  auto peer = number_of(one.peer());
  if (peer && peers_[*peer].current == &one) {
    peers_[*peer].current = nullptr;
    return failed(*peer, one.why());
  }
  if (one.opened_ns() != 0) // Another way took its place.
    return;
  if (one.calls() && peer) {
    peers_[*peer].is_trying = false;
    return failed(*peer, one.why());
  }
  if (one.duplicate() || one.calls())
    return;
  ++strangers_refused_;
  if (!peer || peers_[*peer].current != nullptr)
    return;
  std::lock_guard guard{mutex_};
  ways_[*peer].shown.trouble = one.why().context;
}

void peer_links::engine::pump(std::uint32_t peer) {
  auto& one = *peers_[peer].current;
  while (one.waiting() < unsent_bytes_max) {
    frame next;
    {
      std::lock_guard guard{mutex_};
      auto& way = ways_[peer];
      if (way.frames.empty())
        break;
      next = std::move(way.frames.front());
      way.frames.pop_front();
      way.bytes -= next.size();
    }
    one.put(next);
    if (one.waiting() >= unsent_bytes_max)
      one.flush();
  }
  one.flush();
}

void peer_links::engine::count(peer_connection& one, std::uint32_t peer) {
  auto sent = one.take_sent();
  auto received = one.take_received();
  if (sent + received == 0)
    return;
  std::lock_guard guard{mutex_};
  ways_[peer].shown.sent_bytes += sent;
  ways_[peer].shown.received_bytes += received;
}

// ---- the thread -------------------------------------------------------------------------------

void peer_links::engine::run() {
  while (!stopping_.load())
    turn();
}

void peer_links::engine::turn() {
  std::vector<pollfd> asked{{wake_.number(), POLLIN, 0}};
  auto is_listening = listener_.open() && clock_.now().steady_ns >= no_accept_before_;
  asked.push_back({is_listening ? listener_.number() : -1, POLLIN, 0});
  std::vector<peer_connection*> each;
  for (auto& one : all_) {
    asked.push_back({one.number(), one.interest(), 0});
    each.push_back(&one);
  }
  constexpr int tick_ms = 100;
  auto is_quiet = listener_.open() == is_listening
                  && std::all_of(all_.begin(), all_.end(), [](const peer_connection& one) {
                       return one.at() == peer_connection::stage::open;
                     });
  ::poll(asked.data(), asked.size(), is_quiet ? -1 : tick_ms);
  if ((asked[0].revents & POLLIN) != 0)
    wake_.clear();
  std::deque<std::function<void()>> tasks;
  {
    std::lock_guard guard{mutex_};
    tasks.swap(tasks_);
  }
  for (std::size_t i = 0; i < each.size(); ++i)
    attend(*each[i], asked[i + 2].revents);
  for (auto& task : tasks)
    task();
  if ((asked[1].revents & POLLIN) != 0)
    accept();
  for (std::uint32_t peer = 0; peer < peers_.size(); ++peer)
    if (auto* one = peers_[peer].current; one != nullptr && !one->over())
      pump(peer);
  for (auto i = all_.begin(); i != all_.end();) {
    if (auto peer = number_of(i->peer()))
      count(*i, *peer);
    auto gone = i->at() == peer_connection::stage::closed;
    if (i->over() && !i->told())
      ended(*i);
    i = gone ? all_.erase(i) : std::next(i);
  }
}

// ---- outside ----------------------------------------------------------------------------------

peer_links::peer_links(options wanted, const clock_port& clock)
    : engine_{std::make_unique<engine>(std::move(wanted), clock)} {
}
peer_links::~peer_links() = default;

result<void> peer_links::start(listener to) {
  return engine_->start(std::move(to));
}
void peer_links::stop() {
  engine_->stop();
}
std::string peer_links::endpoint() const {
  return engine_->endpoint();
}
std::uint16_t peer_links::port() const noexcept {
  return engine_->port();
}
result<void> peer_links::add(std::uint32_t number, const peer_address& peer) {
  engine_->add(number, peer);
  return {};
}
void peer_links::remove(std::uint32_t peer) {
  engine_->remove(peer);
}
void peer_links::reach(std::uint32_t peer) {
  engine_->reach(peer);
}
void peer_links::send(std::uint32_t peer, frame message) {
  engine_->send(peer, std::move(message));
}
peer_way peer_links::way(std::uint32_t peer) const {
  return engine_->way(peer);
}
std::uint64_t peer_links::strangers_refused() const noexcept {
  return engine_->strangers_refused();
}

} // namespace gemel
