"""Running on Kubernetes: what a pod needs before Ray starts, the Serve applications, and the manifests of k8s/."""
