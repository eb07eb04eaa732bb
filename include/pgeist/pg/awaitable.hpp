#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace pgeist {

namespace asio = boost::asio;

/// The coroutine type of the whole tool: one thread, one io_context.
using asio::awaitable;

}  // namespace pgeist
