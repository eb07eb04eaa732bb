#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/settings/options.hpp"

namespace pgeist::cli {

/// What a command line can ask for.
enum class command {
    plan,
    run,
    rehearse,
    status,
    resume,
    pause,
    proceed,  ///< `continue`, which C++ keeps for itself
    swap,
    cancel,
    set,
    verify,
    revert,
    cleanup,
    candidates,
    backfill,
    expand,
    contract,
    lint,
    print,
    help,
    version,
};

/// Where an option stands in `--help`, and which commands take it.
enum class group { connection, change, copy, throttle, verify, swap, after, output, files, safety, command, general };

/// One option of the command line.
struct option_info {
    std::string_view name;      ///< without dashes
    char letter = 0;            ///< short form; 0: none
    std::string_view value;     ///< what stands for the value in `--help`; empty: a switch
    std::string_view fallback;  ///< the default as shown
    std::string_view help;
    group place = group::general;
    bool repeatable = false;
    bool available = true;  ///< false: part of the contract, not of this version
    run::steering steerable = run::steering::never;

    [[nodiscard]] bool is_switch() const noexcept { return value.empty(); }
};

/// Whether a command takes a job, and how.
enum class job_argument { none, optional, required, required_or_all };

struct command_info {
    command id;
    std::string_view name;
    std::string_view arguments;  ///< after CONNECTION in the usage line
    std::string_view summary;
    std::vector<group> groups;
    std::vector<std::string_view> extras;  ///< single options of groups that it does not take as a whole
    job_argument job = job_argument::none;
    bool available = true;
    bool takes_steerable = false;  ///< besides its groups, every option that may change in the course of a job
    bool takes_files = false;      ///< its words are files, and it needs no connection

    [[nodiscard]] bool takes(const option_info& option) const;
};

/// All options in the order of `--help`.
[[nodiscard]] std::span<const option_info> option_catalog();
[[nodiscard]] const option_info* find_option(std::string_view name);

/// All commands in the order of `--help`, without help and version.
[[nodiscard]] std::span<const command_info> command_catalog();
[[nodiscard]] const command_info* find_command(std::string_view name);

/// The member of `names` that `name` is probably meant to be; empty when none is near.
[[nodiscard]] std::string nearest(std::string_view name, const std::vector<std::string>& names);

}  // namespace pgeist::cli
