#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/catalog.hpp"

namespace pgeist::cli {

/// Reads an environment variable; nothing when it is not set.
using environment = std::function<std::optional<std::string>(const std::string& name)>;

/// The values given for one option, all from one place.
struct given_option {
    std::vector<std::string> values;
    std::string origin;                       ///< for messages: `--workers`, `PGEIST_WORKERS`, `workers in FILE`
    std::vector<std::size_t> positions = {};  ///< of each value, among all that its source says
    int source = 0;                           ///< options of one source have the same
};

/// What was given, wherever it came from: command line before environment before configuration file.
class given {
public:
    [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
    [[nodiscard]] const given_option* find(std::string_view name) const;
    /// The same, unless it is a switch that is turned off. @throws usage_error
    [[nodiscard]] const given_option* find_meant(std::string_view name) const;
    /// The (last) value; nothing when it was not given.
    [[nodiscard]] std::optional<std::string> value(std::string_view name) const;
    [[nodiscard]] std::vector<std::string> values(std::string_view name) const;
    /// A switch that was given and not turned off. @throws usage_error
    [[nodiscard]] bool is_on(std::string_view name) const;

    /// Adds what one source says about options that a source before it has not given. Options that exclude each other
    /// count as one: `--keep-old` on the command line sets aside a `drop-old` in a file.
    void add(std::map<std::string, given_option, std::less<>> source);

private:
    std::map<std::string, given_option, std::less<>> options_;
    int sources_ = 0;
};

/// The words of the command line that are no options: the command and its arguments.
struct split_arguments {
    std::vector<std::string> words;
    std::map<std::string, given_option, std::less<>> options;
};

/// Splits the command line (without the program's name). @throws usage_error
[[nodiscard]] split_arguments split(const std::vector<std::string>& arguments);

/// What the environment says: PGEIST_ and the option's name in capitals, dashes as underscores. Empty variables count
/// as not set. Only options that `taken_by` takes are looked at.
[[nodiscard]] std::map<std::string, given_option, std::less<>> read_environment(const environment& lookup,
                                                                                const command_info& taken_by);

/// What a configuration file says. Options of other commands are left aside. @throws usage_error when the file cannot
/// be read or names an option that does not exist
[[nodiscard]] std::map<std::string, given_option, std::less<>> read_config(const std::string& file,
                                                                           const command_info& taken_by);

/// PGEIST_WORKERS for `workers`.
[[nodiscard]] std::string variable_of(std::string_view option);

}  // namespace pgeist::cli
