#include "runtime/adapters/peer_connection.hpp"

#include "messages/limits.hpp"

#include <poll.h>

#include <cstring>

namespace gemel {

namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;
constexpr std::int64_t connect_ns_max = 5 * ns_per_s;
constexpr std::int64_t secure_ns_max = 5 * ns_per_s;
constexpr std::int64_t ending_ns_max = 1 * ns_per_s;
constexpr std::size_t read_bytes = 256u << 10;
constexpr std::size_t length_bytes = sizeof(std::uint32_t);

std::string random_text(const std::function<std::uint64_t()>& random, std::size_t bytes) {
  std::string made;
  while (made.size() < bytes) {
    auto some = random();
    made.append(reinterpret_cast<const char*>(&some), sizeof some);
  }
  made.resize(bytes);
  return made;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

} // namespace

peer_connection::peer_connection(const terms& all, peer_socket caller, const moment& now)
    : all_{all}, calls_{false}, socket_{std::move(caller)} {
  connected(now);
}

peer_connection::peer_connection(const terms& all, std::vector<socket_address> addresses,
                                 std::string wanted, const moment& now)
    : all_{all}, calls_{true}, wanted_{std::move(wanted)}, addresses_{std::move(addresses)} {
  try_next(now);
}

const std::string& peer_connection::peer() const noexcept {
  return calls_ || !greeting_ ? wanted_ : greeting_->peer();
}

short peer_connection::interest() const {
  if (at_ == stage::connecting)
    return POLLOUT;
  return static_cast<short>(POLLIN | (waiting() != 0 ? POLLOUT : 0));
}

// ---- to the handshake -------------------------------------------------------------------------

void peer_connection::try_next(const moment& now) {
  while (next_address_ < addresses_.size()) {
    auto begun = peer_socket::connect(addresses_[next_address_++]);
    if (begun) {
      socket_ = std::move(*begun);
      since_ns_ = now.steady_ns;
      return;
    }
    why_ = begun.error();
  }
  at_ = stage::closed;
}

void peer_connection::connected(const moment& now) {
  since_ns_ = now.steady_ns;
  if (all_.tls == nullptr)
    return greet(now);
  at_ = stage::securing;
  tls_ = std::make_unique<tls_session>(*all_.tls, calls_);
  out_ += tls_->take_output();
  flush();
}

void peer_connection::greet(const moment& now) {
  if (tls_ != nullptr && calls_ && !tls_->names(wanted_))
    return end({errc::incompatible, "certificate: the certificate of the node at the address of \""
                                        + wanted_ + "\" does not name it"},
               now);
  constexpr std::size_t nonce_bytes = 32;
  peer_greeting ours;
  ours.cluster = all_.cluster;
  ours.node = all_.node;
  ours.key = all_.key;
  ours.life = all_.life;
  ours.nonce = random_text(all_.random, nonce_bytes);
  ours.calls = calls_;
  ours.wanted = wanted_;
  ours.channel = tls_ != nullptr ? tls_->channel() : std::string{};
  ours.began = now;
  if (!calls_)
    ours.admit = [this](std::string_view node, std::uint64_t life) { return admit(node, life); };
  greeting_.emplace(std::move(ours));
  at_ = stage::greeting;
  say(greeting_->take_output());
  flush();
}

tl::expected<void, peer_refusal> peer_connection::admit(std::string_view node,
                                                        std::uint64_t life) const {
  if (tls_ != nullptr && !tls_->names(std::string{node}))
    return tl::unexpected{peer_refusal::certificate};
  return all_.admit(node, life);
}

// ---- reading ----------------------------------------------------------------------------------

void peer_connection::readable(const moment& now, const std::function<void(frame)>& received) {
  std::string bytes;
  auto count = socket_.read(bytes, read_bytes);
  if (at_ == stage::ending) { // Read, since closing with something unread takes back what was said.
    if (!count)
      at_ = stage::closed;
    return;
  }
  received_ += bytes.size();
  if (auto taken = take(bytes, now); !taken)
    return end(taken.error(), now);
  if (auto taken = take_messages(now, received); !taken)
    return end(taken.error(), now);
  if (!count && at_ != stage::open && at_ != stage::closed)
    return end({errc::unreachable, "the other side hung up before it said who it is; perhaps only "
                                   "one of the two has certificates"},
               now);
  if (!count)
    end(count.error(), now);
}

result<void> peer_connection::take(std::string_view bytes, const moment& now) {
  if (tls_ == nullptr) {
    in_ += bytes;
    return {};
  }
  auto taken = tls_->take(bytes, in_);
  out_ += tls_->take_output();
  if (taken && at_ == stage::securing && tls_->ready())
    greet(now);
  flush();
  return taken;
}

result<void> peer_connection::take_messages(const moment& now,
                                            const std::function<void(frame)>& received) {
  std::size_t from = 0;
  while (!over() && in_.size() - from >= length_bytes) {
    std::uint32_t size = 0;
    std::memcpy(&size, in_.data() + from, length_bytes);
    auto most = at_ == stage::open ? all_.frame_bytes_max : peer_greeting_bytes_max;
    if (size > most)
      return at_ == stage::open
                 ? fail(errc::bad_frame, "a frame of " + std::to_string(size) + " bytes")
                 : fail(errc::incompatible, "malformed: this is no handshake of a gemel node");
    if (in_.size() - from - length_bytes < size)
      break;
    std::string_view message{in_.data() + from + length_bytes, size};
    if (auto taken = take_message(message, now, received); !taken)
      return taken;
    from += length_bytes + size;
  }
  in_.erase(0, from);
  return {};
}

result<void> peer_connection::take_message(std::string_view message, const moment& now,
                                           const std::function<void(frame)>& received) {
  if (at_ == stage::open) {
    auto checked = frame::check(bytes_of(message));
    if (!checked)
      return tl::unexpected{checked.error()};
    received(std::move(*checked));
    return {};
  }
  auto taken = greeting_->take(message);
  say(greeting_->take_output());
  flush();
  if (taken && greeting_->done()) {
    at_ = stage::open;
    since_ns_ = opened_ns_ = now.steady_ns;
  }
  return taken;
}

// ---- writing ----------------------------------------------------------------------------------

void peer_connection::say(std::string_view plain) {
  if (plain.empty())
    return;
  if (tls_ == nullptr) {
    out_ += plain;
    return;
  }
  if (auto said = tls_->say(plain); !said)
    why_ = said.error();
  out_ += tls_->take_output();
}

void peer_connection::put(const frame& what) {
  auto size = static_cast<std::uint32_t>(what.size());
  std::string message(length_bytes + what.size(), '\0');
  std::memcpy(message.data(), &size, length_bytes);
  std::memcpy(message.data() + length_bytes, what.bytes().data(), what.size());
  say(message);
}

void peer_connection::flush() {
  while (waiting() != 0 && at_ != stage::closed) {
    auto taken = socket_.write(std::string_view{out_}.substr(out_at_));
    if (!taken) // Reading says why, with what the peer said last.
      out_at_ = out_.size();
    else if (*taken == 0)
      break;
    else
      out_at_ += *taken, sent_ += *taken;
  }
  if (waiting() == 0)
    out_.clear(), out_at_ = 0;
}

void peer_connection::writable(const moment& now) {
  if (at_ != stage::connecting)
    return flush();
  auto decided = socket_.outcome();
  if (decided)
    return connected(now);
  why_ = decided.error();
  try_next(now);
}

// ---- the end ----------------------------------------------------------------------------------

void peer_connection::end(error why, const moment& now) {
  if (over())
    return;
  if (tls_ != nullptr)
    out_ += tls_->take_output();
  flush();
  why_ = std::move(why);
  socket_.end_writing();
  at_ = stage::ending;
  since_ns_ = now.steady_ns;
}

void peer_connection::tick(const moment& now) {
  auto age = now.steady_ns - since_ns_;
  if (at_ == stage::connecting && age > connect_ns_max) {
    why_ = {errc::timed_out, "no answer within 5 s"};
    try_next(now);
  } else if ((at_ == stage::securing && age > secure_ns_max)
             || (at_ == stage::greeting && greeting_->expired(now))) {
    end({errc::timed_out, "the other side did not say who it is within 5 s"}, now);
  } else if (at_ == stage::ending && age > ending_ns_max) {
    at_ = stage::closed;
  }
}

} // namespace gemel
