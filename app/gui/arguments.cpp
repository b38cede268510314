#include "app/gui/arguments.h"

#include <QCommandLineParser>
#include <QRegularExpression>

namespace natlens::gui {

namespace {

std::unexpected<base::Error> bad(const QString &message, const QString &subject) {
    return base::fail(base::ErrorCode::invalidInput, message.toStdString(), "natlens-gui", subject.toStdString());
}

} // namespace

base::Result<Arguments> parseArguments(const QStringList &words) {
    QCommandLineParser parser;
    parser.setApplicationDescription(
        "Shows what happens to a packet's addresses on its way through a Kubernetes Service.");
    const QCommandLineOption help({"h", "help"}, "Show this help.");
    const QCommandLineOption version({"v", "version"}, "Show the version.");
    const QCommandLineOption screenshot(
        "screenshot", "Write the window as PNG after the source has ended or settled, and end.", "FILE.png");
    const QCommandLineOption size(
        "size", "Size of the window (default 1280x800), at most 10000x10000; never smaller than what is in it needs.",
        "WxH");
    const QCommandLineOption cluster("cluster",
                                     "Cluster state: a Kubernetes List as kubectl prints it, or rules of a node "
                                     "(iptables-save, nft -j list ruleset). May be repeated.",
                                     "[NODE=]FILE");
    const QCommandLineOption theme("theme", "light, dark, high-contrast or system (default).", "NAME");
    const QCommandLineOption profile("profile", "Lab: picture, document or today (default: the scenario's own).",
                                     "NAME");
    const QCommandLineOption datapath("datapath", "Lab: nftables (default), iptables or engine.", "NAME");
    const QCommandLineOption simulated("simulated", "Lab: no kernel, no privileges, virtual time.");
    parser.addOptions({help, version, screenshot, size, cluster, theme, profile, datapath, simulated});
    parser.addPositionalArgument(
        "SOURCE", "lab:SCENARIO, or recorded captures (pcapng, pcap). Without it, a start page.", "[SOURCE...]");
    if (!parser.parse(words)) return bad(parser.errorText() + "; see natlens-gui --help", "arguments");

    Arguments arguments;
    if (parser.isSet(help)) {
        arguments.action = Arguments::Action::help;
        arguments.helpText = parser.helpText();
        return arguments;
    }
    if (parser.isSet(version)) {
        arguments.action = Arguments::Action::version;
        return arguments;
    }
    if (parser.isSet(size)) {
        static const QRegularExpression pattern("^(\\d{1,5})x(\\d{1,5})$");
        const auto match = pattern.match(parser.value(size));
        arguments.size = {match.captured(1).toInt(), match.captured(2).toInt()};
        const QSize s = arguments.size;
        if (!match.hasMatch() || s.width() < 400 || s.height() < 300 || s.width() > 10000 || s.height() > 10000)
            return bad("give width and height as in 1280x800, from 400x300 to 10000x10000",
                       "--size " + parser.value(size));
    }
    if (parser.isSet(theme)) {
        const auto choice = parseThemeChoice(parser.value(theme));
        if (!choice) return bad("choose light, dark, high-contrast or system", "--theme " + parser.value(theme));
        arguments.theme = *choice;
    }
    arguments.profile = parser.value(profile);
    if (parser.isSet(profile) && !QStringList{"picture", "document", "today"}.contains(arguments.profile))
        return bad("choose picture, document or today", "--profile " + arguments.profile);
    arguments.datapath = parser.value(datapath);
    if (parser.isSet(datapath) && !QStringList{"nftables", "iptables", "engine"}.contains(arguments.datapath))
        return bad("choose nftables, iptables or engine", "--datapath " + arguments.datapath);
    arguments.clusterFiles = parser.values(cluster);
    arguments.simulated = parser.isSet(simulated);
    arguments.screenshot = parser.value(screenshot);
    if (parser.isSet(screenshot) && !arguments.screenshot.endsWith(".png", Qt::CaseInsensitive))
        return bad("the name must end in .png", "--screenshot " + arguments.screenshot);

    for (const QString &source : parser.positionalArguments()) {
        if (!source.startsWith("lab:")) {
            arguments.files << source;
        } else if (arguments.scenario.isEmpty() && source.size() > 4) {
            arguments.scenario = source.mid(4);
        } else {
            return bad("name one scenario, as in lab:nodeport", source);
        }
    }
    if (!arguments.scenario.isEmpty() && !arguments.files.isEmpty())
        return bad("give a lab or recordings, not both", "lab:" + arguments.scenario);
    return arguments;
}

} // namespace natlens::gui
