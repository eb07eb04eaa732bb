// The manual page and the completions are made from the catalogues: nothing in them can be missing or left over.

#include <gtest/gtest.h>

#include <string>

#include "cli/catalog.hpp"
#include "cli/generate.hpp"
#include "cli/invocation.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::cli {
namespace {

std::string escaped(std::string text) {
    for (std::size_t at = 0; (at = text.find('-', at)) != std::string::npos; at += 2) {
        text.insert(at, "\\");
    }
    return text;
}

TEST(generated, each_has_every_option_and_command) {
    const std::string man = generated("man");
    const std::string bash = generated("bash");
    const std::string zsh = generated("zsh");
    for (const option_info& option : option_catalog()) {
        const std::string name = "--" + std::string(option.name);
        EXPECT_EQ(man.find("\\fB" + escaped(name) + "\\fR") != std::string::npos, option.available) << name;
        const bool taken = std::any_of(command_catalog().begin(), command_catalog().end(),
                                       [&](const command_info& info) { return info.takes(option) && info.available; });
        EXPECT_EQ(bash.find(name) != std::string::npos, option.available && taken) << name;
        EXPECT_EQ(zsh.find(name + (option.is_switch() ? "[" : "=[")) != std::string::npos, option.available && taken)
            << name;
    }
    for (const command_info& info : command_catalog()) {
        EXPECT_EQ(bash.find("        " + std::string(info.name) + ") words=") != std::string::npos, info.available);
        EXPECT_EQ(zsh.find("        " + std::string(info.name) + ")\n") != std::string::npos, info.available);
        EXPECT_EQ(man.find("\\fB" + escaped(std::string(info.name)) + "\\fR \\fI") != std::string::npos,
                  info.available);
    }
}

TEST(generated, by_the_command_line) {
    const auto none = [](const std::string&) { return std::optional<std::string>(); };
    const invocation made = parse({"--print", "bash"}, none);
    EXPECT_EQ(made.what, command::print);
    EXPECT_EQ(made.text, generated("bash"));
    EXPECT_THROW(static_cast<void>(parse({"--print", "fish"}, none)), usage_error);
}

}  // namespace
}  // namespace pgeist::cli
