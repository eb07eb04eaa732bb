#pragma once

#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "pgeist/pg/awaitable.hpp"

namespace pgeist::test {

namespace asio = boost::asio;

/// Runs a coroutine to its end and returns, or throws, what it does.
class coroutine_runner {
protected:
    template <class T>
    T await(awaitable<T> task) {
        std::optional<T> value;
        std::exception_ptr failure;
        asio::co_spawn(io_, std::move(task), [&](std::exception_ptr error, T result) {
            failure = error;
            value.emplace(std::move(result));
        });
        run(failure);
        return std::move(*value);
    }

    void await(awaitable<void> task) {
        std::exception_ptr failure;
        asio::co_spawn(io_, std::move(task), [&](std::exception_ptr error) { failure = error; });
        run(failure);
    }

    asio::io_context io_{1};

private:
    void run(const std::exception_ptr& failure) {
        io_.restart();
        io_.run();
        if (failure) {
            std::rethrow_exception(failure);
        }
    }
};

}  // namespace pgeist::test
