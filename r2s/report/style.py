"""The look of the report: one style sheet, light and dark."""

CSS = """
:root{--bg:#fafbfc;--card:#fff;--ink:#1c2430;--soft:#5d6878;--line:#e2e6ec;--pass:#1d8a4e;
--marginal:#b7791f;--fail:#c53030;--none:#5d6878;--c0:#2563c9;--c1:#d9622b;--c2:#2a9d6f;--c3:#8e5bbf;
--c4:#b58900;--c5:#3a9fbf}
@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1a2029;--ink:#e6eaf0;--soft:#97a3b4;
--line:#2c3542;--c0:#6fa3f5;--c1:#f0935f;--c2:#5cc79b;--c3:#b893e0;--c4:#d6b03f;--c5:#6cc4df;
--pass:#4cc38a;--marginal:#e2b04a;--fail:#f0716f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;margin:0 0 2px}h2{font-size:18px;margin:38px 0 10px}
.sub{color:var(--soft);margin:0 0 18px}
.verdict{display:flex;gap:16px;align-items:center;padding:16px 20px;border-radius:10px;color:#fff;
background:var(--none)}
.verdict.pass{background:#1d8a4e}.verdict.marginal{background:#a86a12}.verdict.fail{background:#b92c2c}
.verdict b{font-size:22px;text-transform:uppercase;letter-spacing:.06em}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:16px 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.card .v{font-size:22px;font-weight:600;font-variant-numeric:tabular-nums}
.card .k{color:var(--soft);font-size:13px}
.figs{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:14px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;overflow:hidden}
figure img,figure svg{display:block;width:100%;height:auto}
figcaption{padding:8px 12px;color:var(--soft);font-size:13px;border-top:1px solid var(--line)}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);
border-radius:10px;overflow:hidden;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
th,td{text-align:left;padding:7px 12px;border-top:1px solid var(--line);vertical-align:top}
tr:first-child th,tr:first-child td{border-top:0}
th{font-weight:600;color:var(--soft);font-size:13px}td.n{text-align:right}
code{font:13px ui-monospace,SFMono-Regular,Menlo,monospace;overflow-wrap:anywhere}
.tag{font-weight:600}.tag.pass{color:var(--pass)}.tag.marginal{color:var(--marginal)}
.tag.fail{color:var(--fail)}
ul{margin:6px 0;padding-left:20px}.none{color:var(--soft);padding:0 12px}
svg.bar{width:220px;height:20px;display:block}
svg text{font:12px system-ui,sans-serif;fill:var(--soft)}svg .name{font-weight:600}
svg .grid{stroke:var(--line);stroke-width:1}svg .axis{stroke:var(--soft);stroke-width:1}
svg .threshold{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:4 3}
svg polyline{fill:none;stroke-width:2;stroke-linejoin:round}
svg .range{stroke-width:6;stroke-linecap:round;opacity:.45}
svg .range.pass{stroke:var(--pass)}svg .range.marginal{stroke:var(--marginal)}
svg .range.fail{stroke:var(--fail)}
svg .dot.pass{fill:var(--pass)}svg .dot.marginal{fill:var(--marginal)}svg .dot.fail{fill:var(--fail)}
""" + "".join(
    f"svg polyline.c{i}{{stroke:var(--c{i})}}svg circle.c{i}{{fill:var(--c{i})}}"
    f"svg .t{i}{{fill:var(--c{i})}}\n"
    for i in range(6)
)
