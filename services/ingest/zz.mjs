const t=performance.now(); const c=process.cpuUsage();
for (const m of process.argv.slice(2)) { await import(m.startsWith('/')?m:import.meta.resolve?m:m); const u=process.cpuUsage(c); console.log(m, (performance.now()-t).toFixed(0), 'cpu', ((u.user+u.system)/1000).toFixed(0)); }
