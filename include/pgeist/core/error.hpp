#pragma once

#include <stdexcept>
#include <string>

#include "pgeist/core/exit_code.hpp"

namespace pgeist {

/// Base of every failure that crosses a layer. `what()` says what is wrong and with which object; `hint()` what to do
/// next.
class error : public std::runtime_error {
public:
    explicit error(exit_code code, const std::string& message, std::string hint = {});

    /// The exit code of the process if nothing above handles this error.
    [[nodiscard]] exit_code code() const noexcept { return code_; }
    /// The next action for a human; may be empty.
    [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

private:
    exit_code code_;
    std::string hint_;
};

/// The user asked to stop (signal or `pgeist cancel`). The job stays resumable.
class cancelled : public error {
public:
    cancelled();
};

/// Wrong usage of the command line or of an option's value: exit code 2.
class usage_error : public error {
public:
    explicit usage_error(const std::string& message, std::string hint = {});
};

}  // namespace pgeist
