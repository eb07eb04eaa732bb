#include "cli/given.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/settings/options.hpp"

namespace pgeist::cli {

namespace {

namespace po = boost::program_options;
using source = std::map<std::string, given_option, std::less<>>;

/// Options of which only one may be given.
const std::vector<std::vector<std::string_view>> exclusive{
    {"keep-old", "drop-old"}, {"quiet", "verbose"}, {"chunk-time", "chunk-rows"}, {"alter", "file", "repack"}};

po::options_description described() {
    po::options_description all;
    for (const option_info& option : option_catalog()) {
        std::string name(option.name);
        name += option.letter == 0 ? "" : std::string(",") + option.letter;
        if (option.is_switch()) {
            all.add_options()(name.c_str(), po::value<std::string>()->zero_tokens()->implicit_value("on"));
        } else {
            all.add_options()(name.c_str(), po::value<std::string>());
        }
    }
    return all;
}

usage_error unknown_option(const std::string& written, const std::string& where) {
    std::vector<std::string> names;
    for (const option_info& option : option_catalog()) {
        names.emplace_back(option.name);
    }
    const std::string bare = written.substr(std::min(written.find_first_not_of('-'), written.size()));
    const std::string meant = nearest(bare, names);
    return usage_error(fmt::format("unknown option {}{}", written, where),
                       meant.empty() ? "`pgeist --help` lists the commands, `pgeist COMMAND --help` their options"
                                     : fmt::format("did you mean {}{}?", where.empty() ? "--" : "", meant));
}

void check_repeats(const source& options) {
    for (const auto& [name, option] : options) {
        if (option.values.size() > 1 && !find_option(name)->repeatable) {
            throw usage_error(option.origin + " is given more than once");
        }
    }
}

void check_exclusive(const source& options) {
    for (const auto& names : exclusive) {
        const given_option* first = nullptr;
        for (const std::string_view name : names) {
            const auto found = options.find(name);
            if (found == options.end()) {
                continue;
            }
            if (first != nullptr) {
                throw usage_error(fmt::format("{} and {} exclude each other", first->origin, found->second.origin),
                                  "give one of them");
            }
            first = &found->second;
        }
    }
}

/// Everything in `parsed` that is an option; what is none goes to `words`.
source collect(const po::parsed_options& parsed, const std::string& before, const std::string& behind,
               std::vector<std::string>* words) {
    source options;
    std::size_t position = 0;
    for (const auto& each : parsed.options) {
        ++position;
        if (each.position_key >= 0 && words != nullptr) {
            words->insert(words->end(), each.value.begin(), each.value.end());
            continue;
        }
        given_option& option = options[each.string_key];
        option.origin = before + each.string_key + behind;
        if (each.value.empty()) {
            option.values.emplace_back("on");
        }
        option.values.insert(option.values.end(), each.value.begin(), each.value.end());
        option.positions.resize(option.values.size(), position);
    }
    return options;
}

}  // namespace

const given_option* given::find(std::string_view name) const {
    const auto found = options_.find(name);
    return found == options_.end() ? nullptr : &found->second;
}

const given_option* given::find_meant(std::string_view name) const {
    const given_option* found = find(name);
    return found != nullptr && (!find_option(name)->is_switch() || is_on(name)) ? found : nullptr;
}

std::optional<std::string> given::value(std::string_view name) const {
    const given_option* option = find(name);
    return option != nullptr && !option->values.empty() ? std::optional(option->values.back()) : std::nullopt;
}

std::vector<std::string> given::values(std::string_view name) const {
    const given_option* option = find(name);
    return option != nullptr ? option->values : std::vector<std::string>();
}

bool given::is_on(std::string_view name) const {
    const given_option* option = find(name);
    if (option == nullptr || option->values.empty()) {
        return false;
    }
    try {
        return run::parse_switch(option->values.back());
    } catch (const usage_error& problem) {
        throw usage_error(option->origin + ": " + problem.what(), problem.hint());
    }
}

void given::add(source options) {
    check_repeats(options);
    check_exclusive(options);
    std::vector<std::string> known;
    for (const auto& [name, option] : options_) {
        known.push_back(name);
    }
    const auto set_aside = [&](const std::string& name) {
        if (std::find(known.begin(), known.end(), name) != known.end()) {
            return true;
        }
        return std::any_of(exclusive.begin(), exclusive.end(), [&](const auto& names) {
            const auto is_one = [&](const std::string& each) {
                return std::find(names.begin(), names.end(), each) != names.end();
            };
            return is_one(name) && std::any_of(known.begin(), known.end(), is_one);
        });
    };
    ++sources_;
    for (auto& [name, option] : options) {
        if (!set_aside(name)) {
            option.source = sources_;
            options_.emplace(name, std::move(option));
        }
    }
}

split_arguments split(const std::vector<std::string>& arguments) {
    using namespace po::command_line_style;
    const auto all = described();
    // No abbreviations: a name that is unique today may not be tomorrow.
    const int style = allow_long | long_allow_adjacent | long_allow_next | allow_short | allow_dash_for_short |
                      short_allow_adjacent | short_allow_next;
    split_arguments result;
    try {
        const auto parsed = po::command_line_parser(arguments).options(all).style(style).run();
        result.options = collect(parsed, "--", "", &result.words);
    } catch (const po::unknown_option& problem) {
        throw unknown_option(problem.get_option_name(), "");
    } catch (const po::invalid_command_line_syntax& problem) {
        const std::string name = problem.get_option_name();
        if (problem.kind() == po::invalid_syntax::missing_parameter ||
            problem.kind() == po::invalid_syntax::empty_adjacent_parameter) {
            throw usage_error(name + " needs a value", "`pgeist COMMAND --help` shows what it takes");
        }
        throw usage_error(name + " takes no value");
    } catch (const po::error& problem) {
        throw usage_error(problem.what());
    }
    check_repeats(result.options);
    return result;
}

std::string variable_of(std::string_view option) {
    std::string name = "PGEIST_";
    for (const char letter : option) {
        name += letter == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    }
    return name;
}

source read_environment(const environment& lookup, const command_info& taken_by) {
    source options;
    for (const option_info& option : option_catalog()) {
        const std::string name = variable_of(option.name);
        const bool asks = option.name == "help" || option.name == "version";
        auto value = asks || !taken_by.takes(option) ? std::nullopt : lookup(name);
        if (value && !value->empty()) {
            options.emplace(std::string(option.name), given_option{{std::move(*value)}, name, {0}});
        }
    }
    return options;
}

source read_config(const std::string& file, const command_info& taken_by) {
    std::ifstream stream(file);
    if (!stream) {
        throw usage_error(fmt::format("configuration file {} cannot be read", file));
    }
    const std::string behind = " in " + file;
    source options;
    try {
        const auto parsed = po::parse_config_file(stream, described(), true);
        options = collect(parsed, "", behind, nullptr);
    } catch (const po::error& problem) {
        throw usage_error(fmt::format("{}: {}", file, problem.what()), "write one `name = value` a line");
    }
    for (auto each = options.begin(); each != options.end();) {
        const option_info* option = find_option(each->first);
        if (option == nullptr || option->name == "config" || option->name == "help" || option->name == "version") {
            throw unknown_option(each->first, behind);
        }
        each = taken_by.takes(*option) ? std::next(each) : options.erase(each);
    }
    return options;
}

}  // namespace pgeist::cli
